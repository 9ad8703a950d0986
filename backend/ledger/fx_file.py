"""Reading a file of exchange rates in either of the European Central Bank's layouts: pure.

The wide one has a column for each currency and a line for each day, with `N/A` where there is no
rate (`eurofxref.csv`, `eurofxref-hist.csv`); its base is the euro. The long one has a line for each
rate (the SDMX-CSV of the data portal).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from io import StringIO
from itertools import islice

from backend.errors import FieldError, InvalidInput
from backend.money import EXPONENTS
from backend.periods import FIRST_DATE, LAST_DATE

BASE = "EUR"
MAX_FAULTS = 100
MAX_COLUMNS = 500

_CODE = re.compile("[A-Z]{3}")
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,20})?")
_ABSENT = {"", "N/A", "NaN"}
_LONG_COLUMNS = ("CURRENCY", "CURRENCY_DENOM", "TIME_PERIOD", "OBS_VALUE")
_MONTHS = "January February March April May June July August September October November December"
_PLACES = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class Rate:
    base: str
    quote: str
    date: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class RatesFile:
    """`ignored` are currencies that no ledger knows, such as those that the euro replaced."""

    rates: Sequence[Rate]
    ignored: Sequence[str]
    sha256: str


class _Faulty(Exception):
    """A cell that cannot be read: its column, and why."""

    def __init__(self, column: str, detail: str) -> None:
        super().__init__(detail)
        self.column = column
        self.detail = detail


def read_rates(content: bytes) -> RatesFile:
    """`InvalidInput` names every fault as `#/{line}/{column}`, lines counted from 1."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refusal([FieldError("#", "Not text in UTF-8.")]) from None
    faults: list[FieldError] = []
    rates: dict[tuple[str, str, date], Rate] = {}
    ignored: set[str] = set()
    for place, found in _cells(text):
        if isinstance(found, _Faulty):
            faults.append(FieldError(f"{place}/{found.column}".rstrip("/"), found.detail))
        elif unknown := {found.quote, found.base} - EXPONENTS.keys():
            ignored |= unknown
        elif rates.setdefault((found.base, found.quote, found.date), found).rate != found.rate:
            detail = f"Another rate of {found.date} is in a line before."
            faults.append(FieldError(f"{place}/{found.quote}", detail))
        if len(faults) == MAX_FAULTS:
            break
    if not faults and not rates:
        faults.append(FieldError("#", "There is no rate in it."))
    if faults:
        raise _refusal(faults)
    return RatesFile(list(rates.values()), sorted(ignored), sha256(content).hexdigest())


def _cells(text: str) -> Iterator[tuple[str, Rate | _Faulty]]:
    """Each rate or fault with the JSON pointer of its line."""
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        layout = _layout([cell.strip() for cell in next(lines, [])])
        for line in lines:
            cells = [cell.strip() for cell in line]
            if any(cells):
                for found in layout.rates(cells):
                    yield f"#/{lines.line_num}", found
    except csv.Error as error:
        yield f"#/{lines.line_num}", _Faulty("", f"Not CSV: {error}.")


@dataclass(frozen=True, slots=True)
class _Wide:
    header: Sequence[str]

    def rates(self, cells: Sequence[str]) -> Iterator[Rate | _Faulty]:
        if any(cells[len(self.header) :]):
            yield _Faulty(str(len(self.header) + 1), "There are more cells than columns.")
            return
        try:
            day = _day(cells[0], "Date")
        except _Faulty as fault:
            yield fault
            return
        for code, cell in zip(self.header[1:], cells[1:], strict=False):
            if code and cell not in _ABSENT:
                yield _rate(BASE, code, day, cell, code)


@dataclass(frozen=True, slots=True)
class _Long:
    header: Sequence[str]

    def rates(self, cells: Sequence[str]) -> Iterator[Rate | _Faulty]:
        if len(cells) < len(self.header):
            yield _Faulty("OBS_VALUE", "The line is too short.")
            return
        row = dict(zip(self.header, cells, strict=False))
        if row.get("FREQ", "D") != "D" or row["OBS_VALUE"] in _ABSENT:
            return  # averages of months and years are no rates of a day
        base, quote = row["CURRENCY_DENOM"], row["CURRENCY"]
        for name, code in (("CURRENCY", quote), ("CURRENCY_DENOM", base)):
            if not _CODE.fullmatch(code):
                yield _Faulty(name, "Not a currency code.")
                return
        try:
            day = _day(row["TIME_PERIOD"], "TIME_PERIOD")
        except _Faulty as fault:
            yield fault
            return
        yield _rate(base, quote, day, row["OBS_VALUE"], "OBS_VALUE")


def _layout(header: Sequence[str]) -> _Wide | _Long:
    if len(header) > MAX_COLUMNS:
        raise _refusal([FieldError("#/1", f"More than {MAX_COLUMNS} columns.")])
    if header and header[0] == "Date":
        if faults := list(islice(_bad_codes(header[1:]), MAX_FAULTS)):
            raise _refusal(faults)
        return _Wide(header)
    if set(_LONG_COLUMNS) <= set(header):
        return _Long(header)
    wanted = f"`Date` and currency codes, or {', '.join(_LONG_COLUMNS)} among others"
    raise _refusal([FieldError("#/1", f"The first line names the columns: {wanted}.")])


def _bad_codes(codes: Sequence[str]) -> Iterator[FieldError]:
    seen = {BASE}
    for code in filter(None, codes):
        if code in seen or not _CODE.fullmatch(code):
            yield FieldError(f"#/1/{code[:20]}", "Not a currency code, or there twice.")
        seen.add(code)


def _rate(base: str, quote: str, day: date, cell: str, column: str) -> Rate | _Faulty:
    if base == quote:
        return _Faulty(column, "A currency has no rate to itself.")
    if not _NUMBER.fullmatch(cell):
        return _Faulty(column, "Not a plain decimal number.")
    rate = Decimal(cell).quantize(_PLACES)
    if not rate:
        return _Faulty(column, "Must be greater than 0.")
    return Rate(base, quote, day, rate)


def _day(cell: str, column: str) -> date:
    """`2025-03-10`, or `10 March 2025` as in the file of the latest day."""
    day, _, rest = cell.partition(" ")
    month, _, year = rest.partition(" ")
    if month in _MONTHS.split() and len(year) == len("2025"):
        number = _MONTHS.split().index(month) + 1
        cell = f"{year}-{number:02}-{day.rjust(2, '0')}"
    try:
        found = datetime.strptime(cell, "%Y-%m-%d").date()  # noqa: DTZ007  # a plain date
    except ValueError:
        raise _Faulty(column, "Not a date such as 2025-03-10.") from None
    if not FIRST_DATE <= found <= LAST_DATE:
        raise _Faulty(column, f"Must lie between {FIRST_DATE} and {LAST_DATE}.")
    return found


def _refusal(faults: Sequence[FieldError]) -> InvalidInput:
    return InvalidInput("The file of rates is not valid, so none was imported.", errors=faults)
