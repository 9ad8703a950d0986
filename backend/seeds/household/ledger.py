"""The generated ledger of the household: pure, and the same for the same day and seed.

Randomness is drawn as integers, from a generator of each day's own: floating-point functions differ
between platforms, and a day should not depend on how much the days before it drew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from backend.ledger.models import PaymentMethod, TransactionKind, TransactionStatus
from backend.seeds.household.everyday import everyday
from backend.seeds.household.movement import Movement
from backend.seeds.household.plan import ACCOUNTS
from backend.seeds.household.schedule import scheduled

YEARS = 3
# Card payments of the last days have not been booked yet.
PENDING_DAYS = 3
# Rates begin early enough for the first days of the ledger to find one.
RATES_LEAD_DAYS = 7
DAY = timedelta(days=1)


@dataclass(slots=True)
class Ledger:
    """`balances` holds every account at the end of every day from the day before `starts_on`.

    A balance counts pending movements, as `spent` does, and no cancelled ones.
    """

    starts_on: date
    today: date
    movements: list[Movement] = field(default_factory=list)
    balances: dict[tuple[str, date], Decimal] = field(default_factory=dict)


class Rate(NamedTuple):
    date: date
    rate: Decimal


def generate_ledger(today: date, *, seed: int) -> Ledger:
    """Three years of movements that end with `today`."""
    ledger = Ledger(_years_before(today, YEARS) + DAY, today)
    balances = {account.key: account.opening for account in ACCOUNTS}
    due: defaultdict[date, list[Movement]] = defaultdict(list)
    for day in days(ledger.starts_on - DAY, today):
        if day >= ledger.starts_on:
            for movement in everyday(day, Random(f"{seed}/{day}")):
                due[movement.date].append(movement)
            for movement in (*scheduled(day, card_debt=-balances["alex-card"]), *due[day]):
                booked = _pending_if_recent(movement, today)
                ledger.movements.append(booked)
                _apply(booked, balances)
        ledger.balances |= {(account, day): balance for account, balance in balances.items()}
    return ledger


def generate_rates(ledger: Ledger, *, seed: int) -> Iterator[Rate]:
    """Francs for one euro on every business day: a random walk, nothing that was ever published."""
    rng = Random(f"{seed}/rates")
    rate = Decimal("0.9600")
    for day in days(ledger.starts_on - RATES_LEAD_DAYS * DAY, ledger.today):
        if day.isoweekday() <= 5:  # noqa: PLR2004  # Monday to Friday
            rate = min(
                max(rate + Decimal(rng.randint(-30, 30)) / 10_000, Decimal("0.88")), Decimal("1.04")
            )
            yield Rate(day, rate)


def days(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        yield first + number * DAY


def _years_before(day: date, years: int) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - years, day=28 if leap_day else day.day)


def _pending_if_recent(movement: Movement, today: date) -> Movement:
    recent = movement.date > today - PENDING_DAYS * DAY
    by_card = movement.method is PaymentMethod.CREDIT_CARD
    if recent and by_card and movement.status is TransactionStatus.PAID:
        return replace(movement, status=TransactionStatus.PENDING)
    return movement


def _apply(movement: Movement, balances: dict[str, Decimal]) -> None:
    if movement.status is TransactionStatus.CANCELLED:
        return
    comes_in = movement.kind in {TransactionKind.INCOME, TransactionKind.REFUND}
    balances[movement.account] += movement.amount if comes_in else -movement.amount
    if movement.counter_account is not None:
        balances[movement.counter_account] += movement.amount
