"""CSV as RFC 4180 has it, harmless in a spreadsheet.

Text is always quoted and nothing else is, so that no value (an empty field) and an empty text
(``""``) differ. Text that a spreadsheet would take for a formula begins with ``'`` instead, as
OWASP advises for CSV injection; numbers are numbers, also negative ones. Lists are JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import OutputColumn
from backend.warehouse.formats.wire import wire

_END = "\r\n"

# For Python and for RE2 alike. What is invisible may stand before the sign; the wide and the small
# signs are taken for the plain ones.
_INVISIBLE = (
    r"\x00-\x20\x7f-\xa0\xad"
    "\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
_FORMULA = rf"^(?:[\t\r\n]|[{_INVISIBLE}]*[{_SIGNS}])"


def csv_line(columns: Sequence[OutputColumn]) -> str:
    """SQL of a row as a line of CSV."""
    fields = ", ',', ".join(_field(column) for column in columns)
    return f"concat({fields}, '{_END}')"  # which leaves out what is null


def csv_header(columns: Sequence[OutputColumn]) -> str:
    names = [re.sub(_FORMULA, r"'\g<0>", column.name) for column in columns]
    return ",".join('"{}"'.format(name.replace('"', '""')) for name in names) + _END


def _field(column: OutputColumn) -> str:
    sql = wire(column)
    if column.type.is_list:
        if column.type.kind is Kind.TEXT:
            sql = f"list_transform({sql}, lambda element: {_safe('element')})"
        return _quoted(f"CAST(to_json({sql}) AS VARCHAR)")
    if column.type.kind is Kind.TEXT:
        return _quoted(_safe(sql))
    return sql


def _safe(sql: str) -> str:
    return f"regexp_replace({sql}, '{_FORMULA}', '''\\0')"


def _quoted(sql: str) -> str:
    return f"""'"' || replace({sql}, '"', '""') || '"'"""
