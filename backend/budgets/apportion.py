"""Dividing an amount so that nothing is lost: exact to the minor unit, by the largest remainder."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from backend.money import EXPONENTS


def apportion(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """One share per weight, which sum to `total` exactly; earlier ones win a tie.

    Shares are whole minor units of the currency, or finer where `total` itself is. Weights are not
    negative and not all zero.
    """
    unit = _unit(total, currency)
    units = int(total / unit)
    whole = Fraction(sum(weights))
    exact = [Fraction(weight) * units / whole for weight in weights]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda n: shares[n] - exact[n])
    for n in by_remainder[: units - sum(shares)]:
        shares[n] += 1
    return [share * unit for share in shares]


def _unit(total: Decimal, currency: str) -> Decimal:
    exponent = total.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) else 0
    return Decimal(1).scaleb(-max(needed, EXPONENTS.get(currency, 2)))
