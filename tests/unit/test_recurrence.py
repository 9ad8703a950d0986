from __future__ import annotations

from datetime import date, timedelta
from itertools import islice, pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.ledger.recurrence import Schedule, dates, next_date, require_dates
from backend.ledger.recurring_models import Frequency
from backend.periods import LAST_DATE

PLAIN = [frequency for frequency in Frequency if frequency is not Frequency.RRULE]


def listed(schedule: Schedule, count: int = 6, from_: date | None = None) -> list[str]:
    found = dates(schedule, from_ or schedule.starts_on)
    return [day.isoformat() for day in islice(found, count)]


def ruled(rule: str, start: str = "2025-01-01", ends: str | None = None) -> Schedule:
    ends_on = None if ends is None else date.fromisoformat(ends)
    return Schedule(Frequency.RRULE, date.fromisoformat(start), ends_on, rule)


@pytest.mark.parametrize(
    ("frequency", "start", "expected"),
    [
        ("daily", "2024-02-28", "2024-02-28 2024-02-29 2024-03-01"),
        ("weekly", "2024-12-25", "2024-12-25 2025-01-01 2025-01-08"),
        ("biweekly", "2025-03-24", "2025-03-24 2025-04-07 2025-04-21"),
        ("monthly", "2025-01-31", "2025-01-31 2025-02-28 2025-03-31 2025-04-30 2025-05-31"),
        ("monthly", "2023-12-30", "2023-12-30 2024-01-30 2024-02-29 2024-03-30"),
        ("quarterly", "2025-08-31", "2025-08-31 2025-11-30 2026-02-28 2026-05-31"),
        ("yearly", "2024-02-29", "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
    ],
)
def test_a_short_month_does_not_move_what_follows(
    frequency: str, start: str, expected: str
) -> None:
    schedule = Schedule(Frequency(frequency), date.fromisoformat(start))
    assert listed(schedule, len(expected.split())) == expected.split()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR", "2025-01-31 2025-02-28 2025-03-28"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2025-01-31 2025-03-31 2025-05-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2025-01-31 2025-02-28 2025-03-31"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=SU", "2025-01-02 2025-01-13 2025-01-16"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2025-01-31 2025-02-28 2025-03-31"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2028-02-29 2032-02-29 2036-02-29"),
        ("FREQ=YEARLY;BYDAY=20MO", "2025-05-19 2026-05-18 2027-05-17"),
        ("FREQ=YEARLY;BYDAY=53WE", "2025-12-31 2031-12-31 2036-12-31"),
        ("FREQ=DAILY;COUNT=2", "2025-01-01 2025-01-02"),
        ("FREQ=WEEKLY;UNTIL=20250115", "2025-01-01 2025-01-08 2025-01-15"),
    ],
)
def test_rules_of_the_rfc(rule: str, expected: str) -> None:
    require_dates(ruled(rule))
    assert listed(ruled(rule), 3) == expected.split()


def test_a_count_is_that_of_the_whole_rule_wherever_one_looks_from() -> None:
    schedule = ruled("FREQ=DAILY;COUNT=5")
    assert listed(schedule, from_=date(2025, 1, 4)) == ["2025-01-04", "2025-01-05"]
    assert next_date(schedule, date(2025, 1, 6)) is None


def test_the_last_day_counts() -> None:
    assert listed(ruled("FREQ=DAILY", ends="2025-01-02")) == ["2025-01-01", "2025-01-02"]
    schedule = Schedule(Frequency.WEEKLY, date(2025, 1, 1), date(2025, 1, 8))
    assert listed(schedule) == ["2025-01-01", "2025-01-08"]


@pytest.mark.parametrize(
    "rule",
    [
        *("", "FREQ", "FREQ=", "FREQ=daily", "FREQ=DAILY;", ";FREQ=DAILY", "INTERVAL=2"),
        *("FREQ=HOURLY", "FREQ=MINUTELY", "FREQ=SECONDLY", "FREQ=DAILY;BYHOUR=1,2,3"),
        *("FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;INTERVAL=99999"),
        *("FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=1;UNTIL=20260101", "FREQ=DAILY;FREQ=WEEKLY"),
        *("FREQ=DAILY;UNTIL=20250230", "FREQ=DAILY;UNTIL=20250101T000000Z", "FREQ=DAILY;UNTIL=x"),
        *("FREQ=DAILY;BYMONTH=13", "FREQ=DAILY;BYMONTHDAY=32", "FREQ=DAILY;BYDAY=XX"),
        *("FREQ=WEEKLY;BYDAY=1MO", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=DAILY;BYSETPOS=1"),
        *("FREQ=DAILY\nDTSTART:20200101T000000", "DTSTART=20200101;FREQ=DAILY"),
        *("FREQ=DAILY;EXDATE=20250101", "RRULE:FREQ=DAILY", "FREQ=DAILY;BYEASTER=0"),
        *("FREQ=DAILY;BYMONTH=" + ",".join(["1"] * 5) + ",",),
        "FREQ=DAILY;BYMONTH=\uff11",
    ],
)
def test_what_is_no_rule_of_days_is_refused(rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_dates(ruled(rule))
    assert [fault.pointer for fault in refused.value.errors] == ["#/rrule"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=50",
        "FREQ=MONTHLY;BYDAY=20MO",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=DAILY;UNTIL=20240101",
    ],
)
def test_a_rule_without_dates_is_found_out_soon(rule: str) -> None:
    begun = perf_counter()
    with pytest.raises(InvalidInput):
        require_dates(ruled(rule))
    assert perf_counter() - begun < 5  # dateutil alone looks on to the year 9999, for a minute


def test_a_rule_that_matches_no_more_ends() -> None:
    schedule = ruled("FREQ=DAILY;COUNT=3", start="1900-01-01")
    assert next_date(schedule, date(2199, 1, 1)) is None


def some(values: st.SearchStrategy[int], most: int = 3) -> st.SearchStrategy[str]:
    listed = st.lists(values.filter(bool), min_size=1, max_size=most)
    return listed.map(lambda numbers: ",".join(map(str, numbers)))


_numbered = st.tuples(
    st.sampled_from(["", *map(str, range(1, 54)), "-1", "-5", "-53", "+2"]),
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]),
).map("".join)
_parts = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.integers(1, 9999).map(str),
        "COUNT": st.integers(1, 9999).map(str),
        "BYMONTH": some(st.integers(1, 12)),
        "BYMONTHDAY": some(st.integers(-31, 31)),
        "BYDAY": st.lists(_numbered, min_size=1, max_size=3).map(",".join),
        "BYSETPOS": some(st.integers(-366, 366), 2),
        "WKST": st.sampled_from(["MO", "SU"]),
    },
)


@given(_parts, st.dates(date(2000, 1, 1), date(2030, 12, 31)))
def test_a_rule_is_refused_or_has_dates_in_order(parts: dict[str, str], start: date) -> None:
    schedule = Schedule(
        Frequency.RRULE, start, rrule=";".join(f"{name}={value}" for name, value in parts.items())
    )
    try:
        require_dates(schedule)
    except InvalidInput:
        return
    found = list(islice(dates(schedule, start), 20))
    assert found
    assert found[0] >= start
    assert all(a < b for a, b in pairwise(found))


starts = st.dates(date(1900, 1, 1), date(2150, 1, 1))


@given(st.sampled_from(PLAIN), starts, st.integers(0, 20_000))
def test_dates_are_the_same_wherever_one_looks_from(
    frequency: Frequency, start: date, days: int
) -> None:
    schedule = Schedule(frequency, start)
    from_ = start + timedelta(days=days)
    found = list(islice(dates(schedule, from_), 5))
    assert found == list(islice((d for d in dates(schedule, start) if d >= from_), 5))
    assert all(day >= from_ for day in found)
    assert all(a < b for a, b in pairwise(found))
    assert all(day <= LAST_DATE for day in found)


@given(starts, st.integers(1, 400))
def test_a_monthly_date_keeps_its_day_where_the_month_has_it(start: date, count: int) -> None:
    for day in islice(dates(Schedule(Frequency.MONTHLY, start), start), count):
        tomorrow = day + timedelta(days=1)
        assert day.day == start.day or (day.day < start.day and tomorrow.day == 1)
