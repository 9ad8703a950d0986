"""A bank's CSV to movements, by a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Fields
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

from backend.errors import FieldError, InvalidInput
from backend.imports.amounts import DecimalSeparator, guess_separator, parse_amount
from backend.imports.contents import (
    BadValue,
    Fault,
    Movements,
    Row,
    checked_amount,
    checked_currency,
    clean_text,
    shortened,
    unreadable,
)
from backend.imports.dates import DateOrder, are_same, parse_date, possible_orders
from backend.imports.decoding import decode
from backend.imports.guessing import Guess, find_header, guess_mapping, turned_round
from backend.imports.mapping import Credits, Mapping, currency_of_amounts, faults_of
from backend.imports.statuses import parse_status
from backend.imports.tables import Record, Table, guess_delimiter, read_records, table_below

Value = TypeVar("Value")

_LIMITS = {"description": 500, "vendor": 200, "category": 200, "external_id": 200}
_SUM = re.compile(
    r"(grand )?total|sum(me|s)?\b|sub-?total|saldo|kontostand|gesamt|balance|closing|opening|"
    r"anfangssaldo|endsaldo|totale|solde|number of|anzahl|end of|\*{2,}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CsvFile:
    table: Table
    encoding: str
    encoding_is_certain: bool = True


def open_csv(content: bytes, mapping: Mapping | None = None) -> CsvFile:
    """The table of a file, whatever stands above it; raises InvalidInput."""
    decoded = decode(content, mapping.encoding if mapping else None)
    delimiter = (mapping and mapping.delimiter) or guess_delimiter(decoded.text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise unreadable("A delimiter is one character.")
    records = read_records(decoded.text, delimiter)
    if all(record.is_blank for record in records):
        raise unreadable("The file is empty.")
    named = mapping.columns().values() if mapping else ()
    table = table_below(records, find_header(records, named), delimiter)
    return CsvFile(table, decoded.encoding, decoded.certain)


def guess(file: CsvFile, *, is_card: bool = False) -> Guess:
    """`is_card`: the account is one of a card.

    Raises InvalidInput when the table has no column of dates, or none of amounts.
    """
    if not file.table.records:
        raise unreadable("There is no row below the header.")
    found = guess_mapping(file.table)
    if found.mapping is None:
        header = ", ".join(shortened(name) for name in file.table.header[:20])
        raise unreadable(
            f"No columns with dates and amounts were found. Its columns: {header}. Send a mapping."
        )
    return turned_round(found, file.table) if is_card else found


def settle(mapping: Mapping, table: Table) -> Mapping:
    """The mapping with what it leaves open read off the whole column.

    Without a `date_format` when the dates can be read in two ways. InvalidInput if it does not fit.
    """
    faults = faults_of(mapping, table.header)
    if faults:
        raise InvalidInput("The mapping does not fit the file.", errors=faults)
    if mapping.date_format is None:
        dates = _column(table, mapping.date)
        orders = possible_orders(dates)
        if are_same(dates, orders):
            mapping = replace(mapping, date_format=orders[0] if orders else DateOrder.YMD)
    if mapping.decimal_separator is None:
        named = (mapping.amount, mapping.debit, mapping.credit)
        texts = [text for name in named if name for text in _column(table, name)]
        mapping = replace(mapping, decimal_separator=guess_separator(texts))
    return mapping


def ask_for_order(table: Table, mapping: Mapping) -> FieldError:
    dates = _column(table, mapping.date)
    example = next(d for d in dates if not are_same([d], possible_orders(dates)))
    return FieldError(
        "mapping/date_format",
        f"Say DMY or MDY: nothing in the column tells how to read {shortened(example)!r}.",
    )


def _column(table: Table, name: str) -> list[str]:
    place = table.header.index(name)
    cells = (r.cells[place].strip() for r in table.records if place < len(r.cells))
    return [cell for cell in cells if cell]


def read_movements(table: Table, mapping: Mapping, account_currency: str) -> Movements:
    """Every row that can be read, and the faults of the others."""
    movements = Movements(mapping.columns())
    places = {name: table.header.index(column) for name, column in mapping.columns().items()}
    reader = _RowReader(mapping, account_currency)
    summed = _sums_at_the_end(table.records, places["date"])
    for n, record in enumerate(table.records):
        if n >= summed:
            movements.ignored.append(record.line)
            continue
        try:
            movements.rows.append(reader.read(record, places, len(table.header)))
        except _BadCell as bad:
            column = mapping.columns().get(bad.field) if bad.field else None
            value = shortened(bad.value) if bad.value else None
            movements.faults.append(Fault(record.line, column, bad.reason, value))
    return movements


class _BadCell(Exception):
    def __init__(self, field: str | None, value: str | None, reason: str) -> None:
        self.field, self.value, self.reason = field, value, reason


class _RowReader:
    """Reads the rows of one table, whose mapping it holds."""

    def __init__(self, mapping: Mapping, account_currency: str) -> None:
        self._mapping = mapping
        self._currency = currency_of_amounts(mapping.columns()) or account_currency
        self._is_foreign = self._currency != account_currency
        self._order = mapping.date_format or DateOrder.YMD
        self._separator = mapping.decimal_separator or DecimalSeparator.POINT

    def read(self, record: Record, places: Fields[str, int], width: int) -> Row:
        cells = record.cells
        if len(cells) != width and (len(cells) < width or any(c.strip() for c in cells[width:])):
            raise _BadCell(
                None, None, f"The row has {len(cells)} cells, the header has {width} columns."
            )
        values = {name: cells[place].strip() for name, place in places.items()}
        date = self._checked("date", values, lambda text: parse_date(text, self._order))
        currency = (
            self._checked("currency", values, checked_currency) if values.get("currency") else None
        )
        if currency is None and self._is_foreign:
            currency = self._currency
        amount = self._amount(values, currency or self._currency)
        texts = {
            name: self._checked(name, values, partial(clean_text, limit=limit))
            for name, limit in _LIMITS.items()
            if values.get(name)
        }
        vendor = texts.get("vendor")
        return Row(
            line=record.line,
            date=date,
            amount=amount,
            description=texts.get("description") or vendor or "(no description)",
            currency=currency,
            vendor=vendor,
            category=texts.get("category"),
            external_id=texts.get("external_id"),
            status=self._checked("status", values, parse_status)
            if values.get("status")
            else "paid",
            is_refund=amount > 0 and self._mapping.credits is Credits.REFUND,
        )

    def _amount(self, values: Fields[str, str], currency: str) -> Decimal:
        if self._mapping.amount is not None:
            field, sign = "amount", 1
            amount = self._checked(field, values, self._parsed)
        else:
            given = [f for f in ("debit", "credit") if values.get(f)]
            amounts = {f: self._checked(f, values, self._parsed) for f in given}
            moved = {f: abs(amount) for f, amount in amounts.items() if amount}
            if len(moved) != 1:
                reason = "Both debit and credit have an amount." if moved else "There is no amount."
                raise _BadCell(given[0] if given else "debit", None, reason)
            ((field, amount),) = moved.items()
            sign = -1 if field == "debit" else 1
        amount *= -sign if self._mapping.invert else sign
        try:
            return checked_amount(amount, currency)
        except BadValue as bad:
            raise _BadCell(field, values[field], str(bad)) from None

    def _parsed(self, text: str) -> Decimal:
        return parse_amount(text, self._separator)

    @staticmethod
    def _checked(field: str, values: Fields[str, str], parse: Callable[[str], Value]) -> Value:
        text = values[field]
        if not text:
            raise _BadCell(field, None, "The cell is empty.")
        try:
            return parse(text)
        except BadValue as bad:
            raise _BadCell(field, text, str(bad)) from None


def _sums_at_the_end(records: Sequence[Record], date_place: int) -> int:
    """The place of the first row of those at the end that have no date and sum up the others."""
    place = len(records)
    while place:
        record = records[place - 1]
        first = next(cell.strip() for cell in record.cells if cell.strip())
        dated = date_place < len(record.cells) and record.cells[date_place].strip()
        if not _SUM.match(first) or (dated and dated != first):
            break
        place -= 1
    return place
