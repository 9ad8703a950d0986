"""Which format a file has, by its first bytes."""

from __future__ import annotations

import re
from enum import StrEnum

from backend.imports.contents import unreadable
from backend.imports.decoding import decode
from backend.imports.tables import guess_delimiter


class FileFormat(StrEnum):
    CSV = "csv"
    OFX = "ofx"
    CAMT053 = "camt053"
    FOCUS = "focus"


PARQUET = b"PAR1"
_OTHERS = (
    (b"PK\x03\x04", "This is a ZIP archive or a spreadsheet: unpack it, or save it as CSV."),
    (b"\x1f\x8b", "This is compressed with gzip: unpack it first."),
    (b"%PDF", "This is a PDF: ask the bank for CSV, OFX or CAMT.053."),
    (b"\xd0\xcf\x11\xe0", "This is an Excel workbook: save it as CSV."),
)
_HEAD_BYTES = 2**14
# Columns that every version of FOCUS requires and no bank has.
_FOCUS_COLUMNS = {"billedcost", "effectivecost", "chargeperiodstart"}


def sniff(content: bytes) -> FileFormat:
    """Raises InvalidInput for what is none of them for certain; what is left is taken for CSV."""
    refuse_other_files(content)
    if content.startswith(PARQUET):
        return FileFormat.FOCUS
    head = content[:_HEAD_BYTES]
    if re.search(rb"OFXHEADER\s*[:=]|<\?OFX|<OFX>", head):
        return FileFormat.OFX
    if b"camt.053" in head or b"BkToCstmrStmt" in head:
        return FileFormat.CAMT053
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        raise unreadable("This is neither OFX nor CAMT.053.")
    first_line = decode(head[: head.find(b"\n")] if b"\n" in head else head, "latin-1").text
    names = first_line.lower().replace('"', "").split(guess_delimiter(first_line))
    if {name.strip() for name in names} >= _FOCUS_COLUMNS:
        return FileFormat.FOCUS
    return FileFormat.CSV


def refuse_other_files(content: bytes) -> None:
    if not content.strip():
        raise unreadable("The file is empty.")
    for start, reason in _OTHERS:
        if content.startswith(start):
            raise unreadable(reason)
