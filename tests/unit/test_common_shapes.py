"""What a JSON body may say: what the OpenAPI document tells, and nothing that looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api.schemas.budget_parts import HoursInput, PercentInput, Threshold
from api.schemas.common import Email, Flag, Instant, Name, PlainDate, PositiveAmount, SignedAmount


def _accepts(shape: Any, value: object) -> bool:
    try:
        TypeAdapter(shape).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (
            Instant,
            ["2025-03-10T12:00:00Z", "2025-03-10T12:00:00.123456789+05:30"],
            [
                *(1735689600, "1735689600", True, "2025-03-10", "2025-03-10T12:00:00"),
                *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
            ],
        ),
        (PlainDate, ["2025-03-10"], [20250310, "2025-03-10T00:00:00", "2025-02-29", "0000-01-01"]),
        (Flag, [True, False], ["true", "yes", "1", 1, 0]),
        (Threshold, [1, 1000, 50.0], ["50", True, 50.5, 0, 1001]),
        (PositiveAmount, ["0.0001", 1, 2.5], ["0", "0.00", 0, "-1", "1e3", "٣", float("nan")]),
        (SignedAmount, ["-12.50", 0, "0"], ["", "-", "+1", "1.00001"]),
        (PercentInput, ["999999.9999", 0], ["1000000", 1_000_000]),
        (HoursInput, ["99999999.99"], ["100000000", "1.001"]),
        (Name, ["  x ", "x" * 200, "línea\n2"], ["", " ", "\n", "\x00", "a\x1fb", "x" * 201]),
        (Email, ["ada@example.com", " a@b "], ["a@", "@b", "a b@c", "a@b@c", "a\x85@b"]),
    ],
)
def test_shapes(shape: Any, *, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not _accepts(shape, value)] == []
    assert [value for value in bad if _accepts(shape, value)] == []
