from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.budgets.models import BudgetType, RolloverPolicy
from backend.budgets.rules import (
    MAX_YEARS,
    Period,
    carried_over,
    condition,
    periods,
    status,
)
from backend.errors import InvalidInput
from backend.periods import add_months


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
    st.integers(0, 7_300),  # within twenty years
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


YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))


@pytest.mark.parametrize(
    ("spent", "today", "archived", "expected"),
    [
        ("500", date(2025, 6, 1), True, "archived"),
        ("500", date(2024, 12, 31), False, "pending"),
        ("1001", date(2024, 12, 31), False, "pending"),
        ("1000.01", date(2025, 6, 1), False, "over_budget"),
        ("1000", date(2025, 6, 1), False, "active"),
        ("0", date(2025, 1, 1), False, "active"),
        ("0", date(2025, 12, 31), False, "active"),
        ("1000", date(2026, 1, 1), False, "completed"),
        ("999.99", date(2026, 1, 1), False, "under_budget"),
        ("1000.01", date(2026, 1, 1), False, "over_budget"),
    ],
)
def test_the_first_status_that_holds_counts(
    spent: str,
    today: date,
    archived: bool,  # noqa: FBT001  # a case of the table
    expected: str,
) -> None:
    found = status(
        archived=archived,
        span=YEAR,
        allocated=Decimal(1000),
        spent=Decimal(spent),
        today=today,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("allocated", "spent", "expected"),
    [
        ("200", "0", "healthy"),
        ("200", "149.99", "healthy"),
        ("200", "150", "warning"),
        ("200", "180", "critical"),
        ("200", "200", "critical"),
        ("200", "200.01", "exceeded"),
        ("200", "-50", "healthy"),
        ("0", "0", "healthy"),
        ("0", "0.01", "exceeded"),
        ("-20", "0", "exceeded"),  # nothing left of it but a debt carried over
    ],
)
def test_a_condition_follows_the_thresholds(allocated: str, spent: str, expected: str) -> None:
    found = condition(
        allocated=Decimal(allocated),
        spent=Decimal(spent),
        warning_threshold=75,
        critical_threshold=90,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("policy", "surplus", "deficit"),
    [
        ("none", 0, 0),
        ("surplus", 80, 0),
        ("deficit", 0, -80),
        ("both", 80, -80),
        ("capped", 50, -50),
    ],
)
def test_a_period_leaves_the_next_what_the_policy_says(
    policy: str, surplus: int, deficit: int
) -> None:
    for balance, expected in ((80, surplus), (-80, deficit), (0, 0)):
        found = carried_over(RolloverPolicy(policy), Decimal(balance), Decimal(50))
        assert found == expected
    assert carried_over(RolloverPolicy.CAPPED, Decimal(30), Decimal(50)) == 30
