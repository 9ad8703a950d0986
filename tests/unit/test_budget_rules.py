from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.budgets.models import BudgetType
from backend.budgets.rules import MAX_YEARS, Period, add_months, periods
from backend.errors import InvalidInput


def days(*texts: str) -> list[Period]:
    return [Period(*map(date.fromisoformat, text.split(" to "))) for text in texts]


@pytest.mark.parametrize(
    ("type_", "starts_on", "ends_on", "expected"),
    [
        (
            BudgetType.MONTHLY,
            date(2025, 1, 1),
            date(2025, 3, 15),
            days(
                "2025-01-01 to 2025-01-31", "2025-02-01 to 2025-02-28", "2025-03-01 to 2025-03-15"
            ),
        ),
        (
            BudgetType.MONTHLY,
            date(2024, 1, 31),
            date(2024, 4, 29),
            days(
                "2024-01-31 to 2024-02-28", "2024-02-29 to 2024-03-30", "2024-03-31 to 2024-04-29"
            ),
        ),
        (
            BudgetType.QUARTERLY,
            date(2025, 4, 6),
            date(2025, 10, 5),
            days("2025-04-06 to 2025-07-05", "2025-07-06 to 2025-10-05"),
        ),
        (
            BudgetType.ANNUAL,
            date(2024, 2, 29),
            date(2025, 2, 28),
            days("2024-02-29 to 2025-02-27", "2025-02-28 to 2025-02-28"),
        ),
        (
            BudgetType.CAMPAIGN,
            date(2025, 1, 1),
            date(2027, 6, 30),
            days("2025-01-01 to 2027-06-30"),
        ),
        (BudgetType.MONTHLY, date(2025, 1, 1), date(2025, 1, 1), days("2025-01-01 to 2025-01-01")),
    ],
)
def test_periods(type_: BudgetType, starts_on: date, ends_on: date, expected: list[Period]) -> None:
    assert periods(type_, starts_on, ends_on) == expected


@given(
    st.sampled_from(BudgetType),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.integers(0, 7_000),
)
def test_every_day_lies_in_exactly_one_period(
    type_: BudgetType, starts_on: date, length: int
) -> None:
    ends_on = starts_on + timedelta(days=length)
    found = periods(type_, starts_on, ends_on)
    assert found[0].starts_on == starts_on
    assert found[-1].ends_on == ends_on
    assert all(period.starts_on <= period.ends_on for period in found)
    for before, after in pairwise(found):
        assert after.starts_on == before.ends_on + timedelta(days=1)


def test_there_is_an_end_to_periods() -> None:
    first = date(1900, 1, 1)
    last = add_months(first, 12 * MAX_YEARS)
    assert len(periods(BudgetType.MONTHLY, first, last - timedelta(days=1))) == 12 * MAX_YEARS
    for type_ in (BudgetType.MONTHLY, BudgetType.CUSTOM):
        with pytest.raises(InvalidInput):
            periods(type_, first, last)
