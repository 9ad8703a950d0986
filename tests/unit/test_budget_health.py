from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.budgets.health import Health, band, health, weighted
from backend.budgets.performance import Spending, performance
from backend.budgets.rules import Period

APRIL = Period(date(2025, 4, 1), date(2025, 4, 30))
amounts = st.decimals(-1000, 5000, places=2)


def judged(allocated: int, spent: Spending, today: date = date(2025, 4, 15)) -> Health:
    figures = performance(APRIL, Decimal(allocated), spent, today)
    return health(APRIL, figures, spent, today)


def scores(found: Health) -> dict[str, int]:
    return {part.name: int(part.score) for part in found.parts}


def test_spending_in_step_with_time_is_excellent() -> None:
    found = judged(300, Spending(total=Decimal(150), last_booked_on=date(2025, 4, 14)))
    assert (found.score, found.band) == (100, "excellent")
    assert sum(part.weight for part in found.parts) == 100
    assert set(scores(found)) == {
        "utilisation_against_time",
        "burn",
        "variance",
        "overdue_pending",
        "data_freshness",
    }


def test_each_part_falls_by_its_own_fault() -> None:
    ahead = scores(judged(300, Spending(total=Decimal(225))))
    assert (ahead["utilisation_against_time"], ahead["burn"]) == (50, 0)
    assert (ahead["variance"], ahead["overdue_pending"]) == (100, 100)
    committed = scores(judged(300, Spending(total=Decimal(150), committed=Decimal(165))))
    assert (committed["variance"], committed["burn"]) == (80, 100)
    overdue = scores(judged(300, Spending(total=Decimal(150), overdue=Decimal(30))))
    assert overdue["overdue_pending"] == 50


def test_a_long_silence_is_stale_until_the_period_ends() -> None:
    year = Period(date(2025, 1, 1), date(2025, 12, 31))
    spent = Spending(total=Decimal(10), last_booked_on=date(2025, 1, 10))

    def freshness(today: date) -> int:
        figures = performance(year, Decimal(300), spent, today)
        return scores(health(year, figures, spent, today))["data_freshness"]

    assert freshness(date(2025, 2, 9)) == 100
    assert freshness(date(2025, 3, 11)) == 50
    assert freshness(date(2025, 4, 10)) == 0
    late = Spending(total=Decimal(10), last_booked_on=date(2025, 12, 10))
    figures = performance(year, Decimal(300), late, date(2027, 1, 1))
    assert scores(health(year, figures, late, date(2027, 1, 1)))["data_freshness"] == 100


def test_a_budget_far_over_is_critical() -> None:
    found = judged(300, Spending(total=Decimal(600)))
    assert (found.score, found.band) == (25, "critical")
    nothing = judged(0, Spending(total=Decimal(1)))
    assert nothing.band == "critical"
    assert judged(0, Spending()).score == 100


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (100, "excellent"),
        (90, "excellent"),
        (89, "good"),
        (80, "good"),
        (79, "moderate"),
        (60, "moderate"),
        (59, "critical"),
        (0, "critical"),
    ],
)
def test_the_bands(score: int, expected: str) -> None:
    assert band(score) == expected


def test_a_mean_is_weighted_and_rounded_down() -> None:
    assert weighted([(Decimal(100), Decimal(2)), (Decimal(50), Decimal(1))]) == 83
    assert weighted([]) == 100


@given(
    allocated=st.integers(0, 5000),
    total=amounts,
    committed=st.decimals(0, 5000, places=2),
    overdue=st.decimals(0, 5000, places=2),
    today=st.dates(date(2025, 1, 1), date(2025, 12, 31)),
)
def test_more_spending_never_makes_it_healthier(
    allocated: int, total: Decimal, committed: Decimal, overdue: Decimal, today: date
) -> None:
    def score(more: int) -> int:
        spent = Spending(total=total + more, committed=committed, overdue=overdue)
        return judged(allocated, spent, today).score

    assert 0 <= score(100) <= score(0) <= 100
