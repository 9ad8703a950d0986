"""Periods: where they begin, what their names stand for, what they are compared with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.periods import (
    Calendar,
    Earlier,
    Grain,
    Period,
    add_months,
    previous_period,
    previous_year,
    relative,
    today_in,
)

MONDAY = date(2025, 3, 10)
days = st.dates(date(1900, 1, 1), date(2200, 1, 1))
grains = st.sampled_from(Grain)
fiscal_starts = st.integers(1, 12)


def period(text: str) -> Period:
    first, last = text.split("/")
    return Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("grain", "fiscal_start", "first"),
    [
        (Grain.DAY, 4, "2025-03-10"),
        (Grain.WEEK, 4, "2025-03-10"),
        (Grain.MONTH, 4, "2025-03-01"),
        (Grain.QUARTER, 4, "2025-01-01"),
        (Grain.YEAR, 4, "2025-01-01"),
        (Grain.FISCAL_QUARTER, 4, "2025-01-01"),
        (Grain.FISCAL_QUARTER, 3, "2025-03-01"),
        (Grain.FISCAL_QUARTER, 2, "2025-02-01"),
        (Grain.FISCAL_YEAR, 4, "2024-04-01"),
        (Grain.FISCAL_YEAR, 3, "2025-03-01"),
        (Grain.FISCAL_YEAR, 1, "2025-01-01"),
    ],
)
def test_the_first_day(grain: Grain, fiscal_start: int, first: str) -> None:
    assert str(grain.first_day(MONDAY, fiscal_start)) == first


@given(day=days, grain=grains, fiscal_start=fiscal_starts)
def test_every_day_is_in_one_period(day: date, grain: Grain, fiscal_start: int) -> None:
    first = grain.first_day(day, fiscal_start)
    following = grain.next_first_day(first)
    assert first <= day < following
    assert grain.first_day(first, fiscal_start) == first
    assert grain.first_day(following, fiscal_start) == following
    assert grain.first_day(following - timedelta(days=1), fiscal_start) == first


@given(day=days, grain=grains, other=grains, fiscal_start=fiscal_starts)
def test_what_is_not_finer_is_made_of_whole_periods(
    day: date, grain: Grain, other: Grain, fiscal_start: int
) -> None:
    if not grain.is_finer_than(other):
        first = grain.first_day(day, fiscal_start)
        assert other.first_day(first, fiscal_start) == first


def test_periods_of_a_range() -> None:
    asked = period("2025-01-15/2025-03-01")
    assert list(map(str, asked.starts(Grain.MONTH))) == ["2025-01-01", "2025-02-01", "2025-03-01"]
    assert list(map(str, asked.starts(Grain.FISCAL_YEAR, 2))) == ["2024-02-01", "2025-02-01"]
    assert len(list(asked.starts(Grain.DAY))) == asked.days == 46


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("today", "2025-03-10/2025-03-10"),
        ("yesterday", "2025-03-09/2025-03-09"),
        ("tomorrow", "2025-03-11/2025-03-11"),
        ("this_week", "2025-03-10/2025-03-16"),
        ("last_week", "2025-03-03/2025-03-09"),
        ("this_month", "2025-03-01/2025-03-31"),
        ("last_month", "2025-02-01/2025-02-28"),
        ("next_month", "2025-04-01/2025-04-30"),
        ("this_quarter", "2025-01-01/2025-03-31"),
        ("last_quarter", "2024-10-01/2024-12-31"),
        ("this_year", "2025-01-01/2025-12-31"),
        ("last_year", "2024-01-01/2024-12-31"),
        ("this_fiscal_year", "2024-04-01/2025-03-31"),
        ("last_fiscal_quarter", "2024-10-01/2024-12-31"),
        ("next_fiscal_year", "2025-04-01/2026-03-31"),
        ("last_1_days", "2025-03-10/2025-03-10"),
        ("last_30_days", "2025-02-09/2025-03-10"),
        ("next_7_days", "2025-03-11/2025-03-17"),
        ("last_2_weeks", "2025-02-24/2025-03-09"),
        ("last_3_months", "2024-12-01/2025-02-28"),
        ("next_2_quarters", "2025-04-01/2025-09-30"),
        ("last_2_fiscal_years", "2022-04-01/2024-03-31"),
        ("week_to_date", "2025-03-10/2025-03-10"),
        ("month_to_date", "2025-03-01/2025-03-10"),
        ("quarter_to_date", "2025-01-01/2025-03-10"),
        ("year_to_date", "2025-01-01/2025-03-10"),
        ("fiscal_year_to_date", "2024-04-01/2025-03-10"),
    ],
)
def test_names_of_periods(name: str, expected: str) -> None:
    found = relative(name, MONDAY, fiscal_start=4)
    assert found is not None
    assert (found.first, found.last) == (period(expected).first, period(expected).last)


@pytest.mark.parametrize(
    "name",
    [
        *("", "last_day", "last_0_days", "last_-1_days", "last_1001_days", "last_99999_days"),
        *("last_month ", "LAST_MONTH", "last_3_month", "day_to_date", "'; --", "last_٣_days"),
    ],
)
def test_other_texts_are_no_periods(name: str) -> None:
    assert relative(name, MONDAY) is None


@pytest.mark.parametrize(
    ("asked", "before", "months", "days"),
    [
        ("2025-03-01/2025-03-31", "2025-02-01/2025-02-28", 1, 0),
        ("2025-02-01/2025-02-28", "2025-01-01/2025-01-31", 1, 0),
        ("2025-01-01/2025-06-30", "2024-07-01/2024-12-31", 6, 0),
        ("2024-01-01/2024-12-31", "2023-01-01/2023-12-31", 12, 0),
        ("2025-03-10/2025-03-16", "2025-03-03/2025-03-09", 0, 7),
        ("2025-03-10/2025-03-10", "2025-03-09/2025-03-09", 0, 1),
        ("2025-01-15/2025-02-14", "2024-12-15/2025-01-14", 0, 31),
    ],
)
def test_the_period_before(asked: str, before: str, months: int, days: int) -> None:
    assert previous_period(period(asked)) == Earlier(period(before), months, days)


@pytest.mark.parametrize(
    ("asked", "grain", "before"),
    [
        ("2025-03-01/2025-03-10", Grain.MONTH, "2025-02-01/2025-02-10"),
        ("2025-03-01/2025-03-30", Grain.MONTH, "2025-02-01/2025-02-28"),
        ("2025-01-01/2025-03-10", Grain.QUARTER, "2024-10-01/2024-12-10"),
        ("2025-01-01/2025-03-10", Grain.YEAR, "2024-01-01/2024-03-10"),
        ("2025-03-10/2025-03-12", Grain.WEEK, "2025-03-03/2025-03-05"),
        ("2025-01-01/2025-10-31", Grain.YEAR, "2024-01-01/2024-10-31"),
        ("2025-01-01/2025-02-28", Grain.YEAR, "2024-01-01/2024-02-29"),
        ("2024-04-01/2025-01-31", Grain.FISCAL_YEAR, "2023-04-01/2024-01-31"),
        ("2025-04-01/2025-04-30", Grain.QUARTER, "2025-01-01/2025-01-31"),
        ("2025-07-01/2025-08-31", Grain.FISCAL_QUARTER, "2025-04-01/2025-05-31"),
        ("2025-02-01/2025-02-28", Grain.MONTH, "2025-01-01/2025-01-31"),
    ],
)
def test_what_runs_still_is_compared_with_as_much(asked: str, grain: Grain, before: str) -> None:
    running = Period(period(asked).first, period(asked).last, to_date=grain)
    assert previous_period(running).period == period(before)


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ("2025-03-10/2025-04-02", "2024-03-10/2024-04-02"),
        ("2025-02-01/2025-02-28", "2024-02-01/2024-02-29"),
        ("2024-02-01/2024-02-29", "2023-02-01/2023-02-28"),
        ("2024-02-29/2024-02-29", "2023-02-28/2023-02-28"),
    ],
)
def test_the_year_before(asked: str, before: str) -> None:
    assert previous_year(period(asked)) == Earlier(period(before), months=12)
    assert previous_year(period(asked), by_week=True) == Earlier(period(before), days=364)


@given(first=days, length=st.integers(1, 900), to_date=st.none() | grains)
def test_no_earlier_day_is_lost(first: date, length: int, to_date: Grain | None) -> None:
    """Each is compared with a day of the period asked for, in order."""
    asked = Period(first, first + timedelta(days=length - 1), to_date)
    for earlier in (
        previous_period(asked),
        previous_year(asked),
        previous_year(asked, by_week=True),
    ):
        before = [earlier.period.first + timedelta(days=n) for n in range(earlier.period.days)]
        moved = [earlier.moved(day, asked) for day in before]
        assert moved == sorted(moved)
        assert moved[0] >= asked.first
        assert moved[-1] <= asked.last
        assert earlier.period.last < asked.last


@given(day=days, months=st.integers(-600, 600))
def test_months_keep_the_day_if_they_have_it(day: date, months: int) -> None:
    moved = add_months(day, months)
    assert (moved.year - day.year) * 12 + moved.month - day.month == months
    assert moved.day == day.day or (moved + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", 30),
        ("Pacific/Auckland", 31),
        ("America/Los_Angeles", 30),
        ("Mars/Olympus", 30),
        ("../etc/passwd", 30),
    ],
)
def test_a_day_is_that_of_the_place(zone: str, day: int) -> None:
    assert today_in(zone, datetime(2025, 3, 30, 18, tzinfo=UTC)) == date(2025, 3, day)


def test_today_is_a_matter_of_the_time_zone() -> None:
    now = datetime(2025, 3, 10, 23, 30, tzinfo=UTC)
    assert Calendar().today(now) == MONDAY
    assert Calendar("Pacific/Auckland").today(now) == MONDAY + timedelta(days=1)
    assert Calendar("America/New_York").today(now) == MONDAY


@pytest.mark.parametrize("today", [date(1, 1, 1), date(9999, 12, 31)])
@pytest.mark.parametrize("name", ["last_year", "next_1000_years", "last_7_days", "next_2_weeks"])
def test_the_calendar_ends(today: date, name: str) -> None:
    """Beyond it there are errors that callers know, and never a wrong day."""
    try:
        found = relative(name, today)
    except (ValueError, OverflowError):
        return
    assert found is not None
    assert found.first <= found.last
