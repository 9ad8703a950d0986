from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from backend.budgets.goal_measures import Facts, measure

TODAY = date(2025, 4, 10)
LEADS = Facts(
    target=Decimal(300),
    current=Decimal(100),
    starts_on=date(2025, 4, 1),
    deadline=date(2025, 4, 30),
    cost=Decimal(500),
    left=Decimal(1000),
    unit_value=Decimal(8),
)


def test_a_goal_on_track() -> None:
    found = measure(LEADS, TODAY)
    assert (round(found.progress, 2), found.pace) == (Decimal("33.33"), "on_track")
    assert found.projected == 300
    assert (found.value, found.roi, found.cpa) == (Decimal(800), Decimal(60), Decimal(5))
    assert found.feasibility == 100


@pytest.mark.parametrize(
    ("current", "today", "pace"),
    [
        (0, date(2025, 3, 31), "not_started"),
        (50, TODAY, "behind"),
        (101, TODAY, "on_track"),
        (150, TODAY, "ahead"),
        (300, TODAY, "reached"),
        (299, date(2025, 5, 1), "missed"),
        (300, date(2025, 5, 1), "reached"),
    ],
)
def test_the_pace_is_progress_against_time(current: int, today: date, pace: str) -> None:
    assert measure(replace(LEADS, current=Decimal(current)), today).pace == pace


def test_what_is_feasible_is_the_less_of_time_and_money() -> None:
    slow = measure(replace(LEADS, current=Decimal(50)), TODAY)
    assert (slow.feasibility, "pace" in slow.feasibility_reason) == (50, True)
    dear = measure(replace(LEADS, left=Decimal(250)), TODAY)
    assert (dear.feasibility, "budget" in dear.feasibility_reason) == (50, True)
    broke = measure(replace(LEADS, left=Decimal(-10)), TODAY)
    assert broke.feasibility == 33


def test_what_is_not_known_is_not_told() -> None:
    unknown = measure(replace(LEADS, cost=None), TODAY)
    assert (unknown.roi, unknown.cpa, unknown.feasibility) == (None, None, 100)
    assert "not known" in unknown.feasibility_reason
    free = measure(replace(LEADS, cost=Decimal(0)), TODAY)
    assert (free.roi, free.cpa) == (None, None)
    worthless = measure(replace(LEADS, unit_value=None), TODAY)
    assert (worthless.value, worthless.roi, worthless.cpa) == (None, None, 5)
    idle = measure(replace(LEADS, current=Decimal(0)), TODAY)
    assert (idle.cpa, idle.feasibility) == (None, None)
    assert measure(LEADS, date(2025, 3, 1)).projected is None
    assert measure(LEADS, date(2025, 5, 1)).feasibility == 0
