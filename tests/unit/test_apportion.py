from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.budgets.apportion import apportion


@pytest.mark.parametrize(
    ("total", "weights", "currency", "expected"),
    [
        ("100", "1 1 1", "EUR", "33.34 33.33 33.33"),
        ("100", "1 1 1", "JPY", "34 33 33"),
        ("1", "1 1 1", "BHD", "0.334 0.333 0.333"),
        ("0.02", "1 1 1", "EUR", "0.01 0.01 0"),
        ("10", "0 3 1", "EUR", "0 7.50 2.50"),
        ("0", "1 2", "EUR", "0 0"),
        ("100.005", "1 1", "EUR", "50.003 50.002"),
        ("1", "0.5 0.25 0.25", "JPY", "1 0 0"),
    ],
)
def test_shares_by_the_largest_remainder(
    total: str, weights: str, currency: str, expected: str
) -> None:
    found = apportion(Decimal(total), [Decimal(w) for w in weights.split()], currency)
    assert found == [Decimal(e) for e in expected.split()]


@given(
    total=st.decimals(0, 10**13, places=2),
    weights=st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=20),
)
def test_nothing_is_lost_and_nobody_gets_a_cent_too_much(
    total: Decimal, weights: list[Decimal]
) -> None:
    assume(any(weights))
    shares = apportion(total, weights, "EUR")
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        exact = total * weight / sum(weights)
        assert abs(share - exact) < Decimal("0.0100001")
        assert share == round(share, 2)
        assert share == 0 or weight > 0
