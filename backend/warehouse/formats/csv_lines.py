"""CSV as RFC 4180 has it, harmless in a spreadsheet.

Text is always quoted and nothing else is, so that no value (an empty field) and an empty text
(``""``) differ. Text that a spreadsheet would take for a formula begins with ``'`` instead, as
OWASP advises for CSV injection; numbers are numbers, also negative ones. Lists are JSON.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from backend.warehouse.column_types import Kind
from backend.warehouse.compiled import OutputColumn
from backend.warehouse.formats.wire import wire

_END = "\r\n"

# As RE2 has it. Blanks and what is invisible may stand before the sign, which may also be one of
# the wide or small ones that are taken for it.
_INVISIBLE = (
    r"\pC\pZ\x{34F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}"
)
_SIGNS = r"=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}\x{FE66}\x{FE62}\x{FE63}\x{FE6B}"
_FORMULA = rf"^([\t\r\n]|[{_INVISIBLE}]*[{_SIGNS}])"


def csv_line(columns: Sequence[OutputColumn]) -> str:
    """SQL of a row as a line of CSV."""
    fields = ", ',', ".join(_field(column) for column in columns)
    return f"concat({fields}, '{_END}')"  # which leaves out what is null


def csv_header(columns: Sequence[OutputColumn]) -> str:
    names = pa.array([column.name.replace('"', '""') for column in columns])
    safe = pc.replace_substring_regex(names, _FORMULA, r"'\1", max_replacements=1)
    return ",".join(f'"{name}"' for name in safe.to_pylist()) + _END


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
    return f"regexp_replace({sql}, '{_FORMULA}', '''\\1')"


def _quoted(sql: str) -> str:
    return f"""'"' || replace({sql}, '"', '""') || '"'"""
