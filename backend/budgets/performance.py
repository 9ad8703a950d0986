"""How a budget does in one period: pure figures from what was allocated, spent and committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal

from backend.budgets.rules import Period, utilisation

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent in one period, in the budget's currency.

    `own` is on the budget itself, `total` on it and all below it, and so are `own_committed` and
    `committed`. Parts of the total are `ahead`, booked for days to come, `pending`, not yet paid,
    and `overdue`, which should have been. `unconverted` lines are missing from every amount, for
    want of an exchange rate.
    """

    own: Decimal = ZERO
    total: Decimal = ZERO
    ahead: Decimal = ZERO
    pending: Decimal = ZERO
    overdue: Decimal = ZERO
    committed: Decimal = ZERO
    own_committed: Decimal = ZERO
    unconverted: int = 0
    last_booked_on: date | None = None


@dataclass(frozen=True, slots=True)
class Performance:
    """Percentages are None where there is nothing to take them of."""

    allocated: Decimal
    spent: Decimal
    committed: Decimal
    remaining: Decimal
    utilisation: Decimal | None
    time_elapsed: Decimal
    spending_vs_time: Decimal | None
    burn_rate: Decimal
    projected_spend: Decimal
    projected_variance: Decimal
    days_elapsed: int
    days_left: int
    exhausted_on: date | None


def performance(period: Period, allocated: Decimal, spending: Spending, today: date) -> Performance:
    """Figures as of the end of `today`.

    The burn rate is what was spent until today over the days gone by, this one included. It goes on
    to the end of the period in the projection, which is at least what is booked already, and whose
    variance is what would be left (negative: missing). The money is exhausted on the first day on
    which what remains is used up at that rate; None when it lasts.
    """
    length = (period.ends_on - period.starts_on).days + 1
    elapsed = min(max((today - period.starts_on).days + 1, 0), length)
    left = length - elapsed
    remaining = allocated - spending.total - spending.committed
    until_today = spending.total - spending.ahead
    burn = max(until_today, ZERO) / elapsed if elapsed else ZERO
    projected = max(spending.total, until_today + burn * left)
    used = utilisation(allocated, spending.total)
    gone = Decimal(elapsed * 100) / length
    return Performance(
        allocated=allocated,
        spent=spending.total,
        committed=spending.committed,
        remaining=remaining,
        utilisation=used,
        time_elapsed=gone,
        spending_vs_time=None if used is None else used - gone,
        burn_rate=burn,
        projected_spend=projected,
        projected_variance=allocated - projected,
        days_elapsed=elapsed,
        days_left=left,
        exhausted_on=_exhausted_on(period, remaining, burn, today),
    )


def _exhausted_on(period: Period, remaining: Decimal, burn: Decimal, today: date) -> date | None:
    if not period.starts_on <= today <= period.ends_on or burn == 0:
        return None
    if remaining <= 0:
        return today
    days = int((remaining / burn).to_integral_value(rounding=ROUND_CEILING))
    if days > (period.ends_on - today).days:
        return None
    return today + timedelta(days=days)
