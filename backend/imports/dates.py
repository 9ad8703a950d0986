"""Dates as banks write them; 03/04/2025 is settled by the whole column, or by who uploads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from backend.imports.contents import BadValue, checked_date


class DateOrder(StrEnum):
    YMD = "YMD"
    DMY = "DMY"
    MDY = "MDY"


# A time of day may follow; a date is the bank's own day, so its zone is of no account.
_TIME = r"(?:[T ,]+\d{1,2}[:.]\d{2}.*)?"
_NUMBERS = re.compile(rf"(\d{{1,4}})[-/. ]+(\d{{1,2}})[-/. ]+(\d{{1,4}})\.?{_TIME}")
_DIGITS = re.compile(rf"(\d{{8}})(?:\d{{6}})?{_TIME}")
_DAY_MONTH = re.compile(rf"(\d{{1,2}})[-/. ]*([A-Za-z]{{3,9}})[-/., ]*(\d{{2,4}}){_TIME}")
_MONTH_DAY = re.compile(rf"([A-Za-z]{{3,9}})[-/. ]*(\d{{1,2}})[-/., ]+(\d{{2,4}}){_TIME}")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar",
            "feb february februar",
            "mar march mrz maerz",
            "apr april",
            "may mai",
            "jun june juni",
            "jul july juli",
            "aug august",
            "sep sept september",
            "oct october okt oktober",
            "nov november",
            "dec december dez dezember",
        ),
        start=1,
    )
    for name in names.split()
}
_LONGEST = 40
_NO_DATE = "Not a date."


def parse_date(text: str, order: DateOrder) -> date:
    """Raises BadValue for what is no date in that order. A month by its name needs no order."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise BadValue(_NO_DATE)
    if found := _NUMBERS.fullmatch(text):
        if order is DateOrder.MDY and text[found.end(1)] == text[found.end(2)] == ".":
            raise BadValue("A date with dots starts with its day.")
        return _from_parts(found[1], found[2], found[3], order)
    if found := _DIGITS.fullmatch(text):
        digits = found[1]
        if order is DateOrder.YMD:
            return _date(digits[:4], digits[4:6], digits[6:])
        return _from_parts(digits[:2], digits[2:4], digits[4:], order)
    if found := _DAY_MONTH.fullmatch(text):
        return _date(found[3], _month(found[2]), found[1])
    if found := _MONTH_DAY.fullmatch(text):
        return _date(found[3], _month(found[1]), found[2])
    raise BadValue(_NO_DATE)


def possible_orders(texts: Iterable[str]) -> list[DateOrder]:
    """The orders in which most cells are dates, the best first; two that are equal are in doubt."""
    counts = dict.fromkeys(DateOrder, 0)
    for text in texts:
        for order in DateOrder:
            try:
                parse_date(text, order)
            except BadValue:
                continue
            counts[order] += 1
    best = max(counts.values())
    # What has names of months reads the same in every order, and 2025-03-04 in one only.
    return [order for order in DateOrder if counts[order] == best] if best else []


def are_same(texts: Iterable[str], orders: Iterable[DateOrder]) -> bool:
    """Whether it does not matter in which of `orders` the cells are read."""
    orders = list(orders)
    for text in texts:
        found = set()
        for order in orders:
            try:
                found.add(parse_date(text, order))
            except BadValue:
                continue
        if len(found) > 1:
            return False
    return True


def _from_parts(first: str, second: str, third: str, order: DateOrder) -> date:
    year_first = len(first) == 4  # noqa: PLR2004
    if year_first != (order is DateOrder.YMD) or (year_first and len(third) > 2):  # noqa: PLR2004
        raise BadValue(f"Not a date in the order {order}.")
    if order is DateOrder.YMD:
        return _date(first, second, third)
    day, month = (first, second) if order is DateOrder.DMY else (second, first)
    return _date(third, month, day)


def _month(name: str) -> str:
    try:
        return str(_MONTHS[name.lower()])
    except KeyError:
        raise BadValue(_NO_DATE) from None


def _date(year: str, month: str, day: str) -> date:
    if len(year) not in {2, 4} or len(day) > 2:  # noqa: PLR2004
        raise BadValue(_NO_DATE)
    # Ledgers look back: two digits mean 1969 to 2068, as POSIX has it.
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 69 else 1900)  # noqa: PLR2004
    try:
        return checked_date(date(full, int(month), int(day)))
    except BadValue:
        raise
    except ValueError:
        raise BadValue("There is no such day.") from None
