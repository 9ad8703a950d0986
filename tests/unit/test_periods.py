from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from backend.periods import today_in


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
