"""Telling a subscription from chance, by the payments to one vendor: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from uuid import UUID

from dateutil.relativedelta import relativedelta

from backend.ledger.recurring_models import Frequency

MIN_PAYMENTS = 3
# Between the least and the greatest amount: about a tenth either way of the middle.
_SPREAD = Decimal("1.2")
_REGULAR_SHARE = Decimal("0.75")
_ENOUGH_PAYMENTS = 8  # more of them make nothing surer


@dataclass(frozen=True, slots=True)
class Payment:
    date: date
    amount: Decimal
    recurring_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """`payments` in the order of their dates; `confidence` is in percent."""

    frequency: Frequency
    amount: Decimal
    payments: Sequence[Payment]
    next_expected: date
    confidence: int
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """Gaps of `shortest` to `longest` days belong to it: weekends and short months move them."""

    frequency: Frequency
    shortest: int
    longest: int
    after: Callable[[date], date]


def _later(period: timedelta | relativedelta, day: date) -> date:
    return day + period


_RHYTHMS = (
    _Rhythm(Frequency.WEEKLY, 6, 8, partial(_later, timedelta(days=7))),
    _Rhythm(Frequency.BIWEEKLY, 12, 16, partial(_later, timedelta(days=14))),
    _Rhythm(Frequency.MONTHLY, 26, 35, partial(_later, relativedelta(months=1))),
    _Rhythm(Frequency.QUARTERLY, 84, 98, partial(_later, relativedelta(months=3))),
    _Rhythm(Frequency.YEARLY, 355, 376, partial(_later, relativedelta(years=1))),
)


def subscriptions(payments: Sequence[Payment], today: date) -> list[Subscription]:
    """Those that go on `today`, among the payments from one account to one vendor.

    Payments of like amounts are looked at together: one vendor may have several subscriptions, and
    sell other things besides.
    """
    found = (_judge(group, today) for group in _alike(payments))
    return [subscription for subscription in found if subscription is not None]


def _alike(payments: Sequence[Payment]) -> Iterator[list[Payment]]:
    group: list[Payment] = []
    for payment in sorted(payments, key=lambda p: (p.amount, p.date)):
        if group and payment.amount > group[0].amount * _SPREAD:
            yield group
            group = []
        group.append(payment)
    if group:
        yield group


def _judge(group: Sequence[Payment], today: date) -> Subscription | None:
    by_day = {payment.date: payment for payment in group if payment.date <= today}
    days = sorted(by_day)
    if len(days) < MIN_PAYMENTS:
        return None
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    rhythm = max(_RHYTHMS, key=lambda r: _fitting(r, gaps))
    fitting = _fitting(rhythm, gaps)
    if fitting < MIN_PAYMENTS - 1 or fitting < _REGULAR_SHARE * len(gaps):
        return None
    overdue = days[-1] + timedelta(days=rhythm.longest + rhythm.longest // 2)
    if today > overdue:
        return None
    amounts = [by_day[day].amount for day in days]
    least, most = min(amounts), max(amounts)
    difference = (most - least) / least
    confidence = (
        50 * Decimal(fitting) / len(gaps)
        + 30 * Decimal(min(len(days), _ENOUGH_PAYMENTS)) / _ENOUGH_PAYMENTS
        + 20 * (1 - difference / (_SPREAD - 1))
    )
    return Subscription(
        rhythm.frequency,
        sorted(amounts)[len(amounts) // 2],
        [by_day[day] for day in days],
        rhythm.after(days[-1]),
        round(confidence),
        [
            f"{len(days)} payments.",
            f"{fitting} of {len(gaps)} gaps last {rhythm.shortest} to {rhythm.longest} days.",
            f"Their amounts differ by {round(difference * 100)} %.",
        ],
    )


def _fitting(rhythm: _Rhythm, gaps: Sequence[int]) -> int:
    return sum(1 for gap in gaps if rhythm.shortest <= gap <= rhythm.longest)
