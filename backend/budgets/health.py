"""The health score of a budget: 0 to 100, from five parts that the answer shows.

| part | weight | full marks | none left at |
|---|---|---|---|
| utilisation_against_time | 30 | not ahead of the time gone by | 50 points ahead of it |
| burn | 25 | projected to stay within the amount | projected at 150 % of it |
| variance | 20 | spent and committed within the amount | 25 % over it |
| overdue_pending | 15 | nothing pending that should be paid | 20 % of the amount |
| data_freshness | 10 | something booked in the last 30 days | nothing for 90 days |

Between the two a part falls in a straight line. The score is the weighted mean, rounded down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from backend.budgets.performance import Performance, Spending
from backend.budgets.rules import Period

FULL = Decimal(100)
_FRESH_DAYS, _STALE_DAYS = 30, 90


class Band(StrEnum):
    EXCELLENT = "excellent"
    GOOD = "good"
    MODERATE = "moderate"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Part:
    """`score` of 100; `value` is the percentage, or the days, that it was judged by."""

    name: str
    weight: int
    score: Decimal
    value: Decimal | None
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    score: int
    band: Band
    parts: tuple[Part, ...]


def health(period: Period, figures: Performance, spending: Spending, today: date) -> Health:
    parts = (
        _utilisation(figures),
        _burn(figures),
        _variance(figures),
        _overdue(figures, spending),
        _freshness(period, spending, today),
    )
    score = weighted([(part.score, Decimal(part.weight)) for part in parts])
    return Health(score, band(score), parts)


def weighted(scores: list[tuple[Decimal, Decimal]]) -> int:
    """The mean of (score, weight), rounded down; 100 of nothing."""
    total = sum(weight for _, weight in scores)
    return int(sum(score * weight for score, weight in scores) / total) if total else 100


def band(score: int) -> Band:
    """Excellent from 90, good from 80, moderate from 60, critical below."""
    if score >= 90:  # noqa: PLR2004
        return Band.EXCELLENT
    if score >= 80:  # noqa: PLR2004
        return Band.GOOD
    return Band.MODERATE if score >= 60 else Band.CRITICAL  # noqa: PLR2004


def _utilisation(figures: Performance) -> Part:
    ahead = figures.spending_vs_time
    if ahead is None:
        score = FULL if figures.spent <= 0 else Decimal(0)
        reason = "Nothing is allocated."
    else:
        score = _falling(ahead, Decimal(50))
        reason = "Spending is ahead of time." if ahead > 0 else "Spending is not ahead of time."
    return Part("utilisation_against_time", 30, score, ahead, reason)


def _burn(figures: Performance) -> Part:
    over = _percent(figures.projected_spend - figures.allocated, figures.allocated)
    reason = (
        "At this rate the amount will be exceeded."
        if figures.projected_spend > figures.allocated
        else "At this rate the amount lasts."
    )
    return Part("burn", 25, _falling(over, Decimal(50)), over, reason)


def _variance(figures: Performance) -> Part:
    over = _percent(-figures.remaining, figures.allocated)
    reason = (
        "More is spent and committed than allocated."
        if figures.remaining < 0
        else "What is spent and committed is within the amount."
    )
    return Part("variance", 20, _falling(over, Decimal(25)), over, reason)


def _overdue(figures: Performance, spending: Spending) -> Part:
    share = _percent(spending.overdue, figures.allocated)
    reason = "Pending expenses are overdue." if spending.overdue > 0 else "Nothing is overdue."
    return Part("overdue_pending", 15, _falling(share, Decimal(20)), share, reason)


def _freshness(period: Period, spending: Spending, today: date) -> Part:
    """Counted to the end of the period: what is over grows no staler."""
    until = min(today, period.ends_on)
    since = max(spending.last_booked_on or period.starts_on, period.starts_on)
    days = max((until - since).days, 0)
    score = _falling(Decimal(days - _FRESH_DAYS), Decimal(_STALE_DAYS - _FRESH_DAYS))
    reason = (
        "Nothing has been booked for a while." if days > _FRESH_DAYS else "Bookings are recent."
    )
    return Part("data_freshness", 10, score, Decimal(days), reason)


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    """Of nothing, any excess is all of it."""
    if whole > 0:
        return part * 100 / whole
    return FULL if part > 0 else Decimal(0)


def _falling(value: Decimal, zero_at: Decimal) -> Decimal:
    """100 up to 0, then in a straight line down to 0 at `zero_at`."""
    return min(FULL, max(Decimal(0), FULL - value * FULL / zero_at))
