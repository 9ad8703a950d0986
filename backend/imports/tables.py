"""Delimited text to a table: its delimiter, its header wherever that is, and its rows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.imports.contents import MAX_ROWS, unreadable

MAX_COLUMNS = 500
MAX_NAME = 200
MAX_CELLS = 5_000_000
MAX_CELL = 2**17  # what the standard library reads of a cell, by default

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 60
_SAMPLE_CHARACTERS = 2**20


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one row; `line` is the physical line on which it starts, from 1."""

    line: int
    cells: Sequence[str]

    @property
    def is_blank(self) -> bool:
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """`header` names the columns, each once; `records` are the rows below it that are not blank."""

    header: Sequence[str]
    records: Sequence[Record]
    delimiter: str


def read_records(text: str, delimiter: str) -> list[Record]:
    """Every row. Raises InvalidInput for what is no table: a quote left open, cells without end.

    Empty cells beyond the last column there may be are left out: some spreadsheets write them.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count(delimiter) > MAX_CELLS:
        raise unreadable(f"More than {MAX_CELLS:,} cells: split the file.")
    records: list[Record] = []
    spans: list[tuple[int, int]] = []  # first and last line of the rows that have several
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            if len(records) == MAX_ROWS + 1000:  # some lines around the rows proper
                raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.", line=line)
            if cells:
                records.append(Record(line, _without_end(cells, line)))
                if reader.line_num > line:
                    spans.append((line, reader.line_num))
            line = reader.line_num + 1
    except csv.Error:
        raise unreadable(f"A cell has more than {MAX_CELL:,} characters.", line=line) from None
    if records:
        spans.append((records[-1].line, line - 1))
        _refuse_open_quotes(text, spans, delimiter)
    return records


def _without_end(cells: list[str], line: int) -> list[str]:
    if any(cell.strip() for cell in cells[MAX_COLUMNS:]):
        raise unreadable(
            f"The row has {len(cells):,} cells; {MAX_COLUMNS} at most are read.", line=line
        )
    return cells if len(cells) <= MAX_COLUMNS else cells[:MAX_COLUMNS]


def guess_delimiter(text: str) -> str:
    """The one that cuts most lines into the same number of cells."""
    sample = text[:_SAMPLE_CHARACTERS].splitlines()[:_SAMPLE_LINES]

    def regularity(delimiter: str) -> tuple[int, int]:
        counts = Counter(len(cells) for cells in _cut(sample, delimiter))
        counts.pop(0, None)
        counts.pop(1, None)
        if not counts:
            return (0, 0)
        width, lines = counts.most_common(1)[0]
        return (lines * (width > 1), width)

    return max(_DELIMITERS, key=regularity)


def table_below(records: Sequence[Record], header_at: int | None, delimiter: str) -> Table:
    """The table under the header in row `header_at`; without one its columns are numbered."""
    if header_at is None:
        width = Counter(len(r.cells) for r in records if not r.is_blank).most_common(1)[0][0]
        header = [f"Column {n}" for n in range(1, width + 1)]
        body = records
    else:
        header = unique_names(records[header_at].cells)
        body = records[header_at + 1 :]
    refuse_long_names(header, line=records[header_at or 0].line)
    rows = [record for record in body if not record.is_blank]
    if len(rows) > MAX_ROWS:
        raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.", line=rows[MAX_ROWS].line)
    return Table(header, rows, delimiter)


def refuse_long_names(header: Iterable[str], *, line: int | None = None) -> None:
    for place, name in enumerate(header, start=1):
        if len(name) > MAX_NAME:
            raise unreadable(
                f"The name of column {place} has {len(name):,} characters; "
                f"{MAX_NAME} at most are read.",
                line=line,
            )


def unique_names(cells: Iterable[str]) -> list[str]:
    """The header's cells as names: one that comes again gets a number, an empty one its place."""
    seen: Counter[str] = Counter()
    names = []
    for place, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()) or f"Column {place}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    while names and names[-1] == f"Column {len(names)}":  # a delimiter at the end of each line
        names.pop()
    return names


def _cut(lines: Iterable[str], delimiter: str) -> Iterable[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def _refuse_open_quotes(text: str, spans: Iterable[tuple[int, int]], delimiter: str) -> None:
    """A quote that is never closed swallows the rows below it, up to another quote or the end."""
    lines = text.split("\n")
    for first, last in spans:
        row = "\n".join(lines[first - 1 : last])
        try:
            list(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            if last > first or "unexpected end" in str(error):
                raise unreadable(
                    "A quotation mark is opened here and not closed.", line=first
                ) from None
