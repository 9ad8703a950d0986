"""Periods of the calendar: their lengths, those named relative to today, those to compare with.

Spending dates are plain dates; a `Calendar` says what "today" and "fiscal" mean to whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# What the books may hold: beyond lies only what was mistyped.
FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2200, 1, 1)
MAX_COUNT = 1_000  # of last_30_days and its kind

# In every copy of the database, and no place on earth.
_NO_PLACES = {"Factory", "localtime", "posixrules"}


@cache
def time_zones() -> frozenset[str]:
    """Those of the IANA database by their own names, which DuckDB and PostgreSQL know as well."""
    return frozenset(available_timezones() - _NO_PLACES)


def today_in(time_zone: str, now: datetime | None = None) -> date:
    """The day it is there at `now`, by default at present; in UTC where the zone is not known."""
    try:
        zone: ZoneInfo | None = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    return (now or datetime.now(UTC)).astimezone(zone or UTC).date()


class Grain(StrEnum):
    """Lengths of a period. Weeks begin on Monday, fiscal periods with the organization's year."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    FISCAL_QUARTER = "fiscal_quarter"
    FISCAL_YEAR = "fiscal_year"

    @property
    def is_fiscal(self) -> bool:
        return self in {Grain.FISCAL_QUARTER, Grain.FISCAL_YEAR}

    def is_finer_than(self, other: Grain) -> bool:
        """Whether periods of this grain cannot be put together from those of `other`."""
        if other in {Grain.DAY, self}:
            return False
        if other is Grain.WEEK or self in {Grain.DAY, Grain.WEEK}:
            return True  # no month, quarter or year is made of whole weeks
        if self.is_fiscal or other.is_fiscal:
            return other is not Grain.MONTH  # a fiscal year may begin within a quarter
        return _MONTHS[self] < _MONTHS[other]

    def first_day(self, day: date, fiscal_start: int = 1) -> date:
        """Of the period that `day` falls in."""
        if self is Grain.DAY:
            return day
        if self is Grain.WEEK:
            return day - timedelta(days=day.weekday())
        offset = fiscal_start - 1 if self.is_fiscal else 0
        months = day.year * 12 + day.month - 1 - offset
        return _month(months - months % _MONTHS[self] + offset)

    def next_first_day(self, first: date, count: int = 1) -> date:
        """The first day of the period `count` after the one that begins on `first`."""
        if self in _DAYS:
            return first + timedelta(days=_DAYS[self] * count)
        return add_months(first, _MONTHS[self] * count)

    def period(self, day: date, fiscal_start: int = 1) -> Period:
        """The whole one that `day` falls in."""
        return _whole(self, self.first_day(day, fiscal_start), 0, 1)


_DAYS = {Grain.DAY: 1, Grain.WEEK: 7}
_MONTHS = {
    Grain.MONTH: 1,
    Grain.QUARTER: 3,
    Grain.YEAR: 12,
    Grain.FISCAL_QUARTER: 3,
    Grain.FISCAL_YEAR: 12,
}


@dataclass(frozen=True, slots=True)
class Calendar:
    """`fiscal_start` is the month, 1 to 12, that the fiscal year begins with."""

    time_zone: str = "UTC"
    fiscal_start: int = 1

    def today(self, now: datetime) -> date:
        return today_in(self.time_zone, now)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included; `to_date` is the grain of one that runs still."""

    first: date
    last: date
    to_date: Grain | None = None

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def starts(self, grain: Grain, fiscal_start: int = 1) -> Iterator[date]:
        """The first days of the periods of `grain` that it touches, in order."""
        first = grain.first_day(self.first, fiscal_start)
        while first <= self.last:
            yield first
            first = grain.next_first_day(first)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A period to compare with: its days, moved on by months or days, lie in the present one.

    Where months differ in length several days may meet in one; none is lost.
    """

    period: Period
    months: int = 0
    days: int = 0

    def moved(self, day: date, present: Period) -> date:
        moved = add_months(day, self.months) + timedelta(days=self.days)
        return min(max(moved, present.first), present.last)


def previous_period(period: Period) -> Earlier:
    """Whole months follow whole months, year to date the same days of the year before.

    Anything else follows as many days directly before.
    """
    end = period.last + timedelta(days=1)
    if period.to_date in _MONTHS:
        months = _MONTHS[period.to_date]
        return Earlier(_months_before(period, months), months=months)
    if period.first.day == end.day == 1:
        months = (end.year - period.first.year) * 12 + end.month - period.first.month
        return Earlier(_months_before(period, months), months=months)
    days_back = 7 if period.to_date is Grain.WEEK else period.days
    back = timedelta(days=days_back)
    return Earlier(Period(period.first - back, period.last - back), days=days_back)


def previous_year(period: Period, *, by_week: bool = False) -> Earlier:
    """The same dates a year earlier, to the end of the month if the period ends with one.

    `by_week` sets 52 weeks between its days and the present ones, so that weekdays meet.
    """
    days = _months_before(period, 12)
    return Earlier(days, days=364) if by_week else Earlier(days, months=12)


def _months_before(period: Period, months: int) -> Period:
    """The same days of earlier months, to the end of the month if the period ends with one."""
    last = add_months(period.last, -months)
    end = period.last + timedelta(days=1)
    if end.day == 1:
        last = add_months(end, -months) - timedelta(days=1)
    return Period(add_months(period.first, -months), last)


def add_months(day: date, months: int) -> date:
    """The same day of another month, or its last one."""
    first = _month(day.year * 12 + day.month - 1 + months)
    following = _month(first.year * 12 + first.month)
    return min(first + timedelta(days=day.day - 1), following - timedelta(days=1))


def _month(months: int) -> date:
    """The first day of a month counted from the year 0; ValueError outside the years 1 to 9999."""
    return date(months // 12, months % 12 + 1, 1)


_UNIT = r"(week|month|quarter|year|fiscal_quarter|fiscal_year)"
_DAYS_NEAR = {"yesterday": -1, "today": 0, "tomorrow": 1}
_STEPS = {"last": -1, "this": 0, "next": 1}
_TO_DATE = re.compile(rf"{_UNIT}_to_date")
_WHOLE = re.compile(rf"(this|last|next)_{_UNIT}")
_SEVERAL = re.compile(rf"(last|next)_([1-9][0-9]{{0,3}})_(day|{_UNIT[1:-1]})s")
RELATIVE_EXAMPLES = (
    *("today", "yesterday", "this_month", "last_month", "next_month", "last_30_days"),
    *("last_3_months", "this_quarter", "last_fiscal_year", "month_to_date", "year_to_date"),
)


def relative(name: str, today: date, fiscal_start: int = 1) -> Period | None:
    """The days that a name such as ``last_month`` stands for; None for any other text.

    ``last_30_days`` ends today and ``next_7_days`` begins tomorrow; ``last_3_months`` are whole
    months before this one. Raises ValueError or OverflowError outside the years 1 to 9999.
    """
    if name in _DAYS_NEAR:
        day = today + timedelta(days=_DAYS_NEAR[name])
        return Period(day, day)
    if match := _TO_DATE.fullmatch(name):
        grain = Grain(match[1])
        return Period(grain.first_day(today, fiscal_start), today, to_date=grain)
    if match := _WHOLE.fullmatch(name):
        grain, steps = Grain(match[2]), _STEPS[match[1]]
        return _whole(grain, grain.first_day(today, fiscal_start), steps, 1)
    match = _SEVERAL.fullmatch(name)
    if match is None or int(match[2]) > MAX_COUNT:
        return None
    grain, count, is_last = Grain(match[3]), int(match[2]), match[1] == "last"
    if grain is Grain.DAY:
        return _whole(grain, today, 1 - count if is_last else 1, count)
    return _whole(grain, grain.first_day(today, fiscal_start), -count if is_last else 1, count)


def same_since(name: str, today: date, fiscal_start: int = 1) -> date:
    """The first day since which a name that `relative` knows has stood for the same days."""
    match = _WHOLE.fullmatch(name)
    grain = match[2] if match else None
    if match := _SEVERAL.fullmatch(name):
        grain = match[3]
    return Grain(grain).first_day(today, fiscal_start) if grain else today


def _whole(grain: Grain, current: date, steps: int, count: int) -> Period:
    """`count` whole periods, the first of them `steps` after the one that begins on `current`."""
    first = grain.next_first_day(current, steps)
    end = grain.next_first_day(current, steps + count)
    return Period(first, end - timedelta(days=1))
