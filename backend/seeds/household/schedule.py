"""What comes on fixed days: salaries, rent, subscriptions, transfers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from backend.seeds.household.movement import Movement, bill, income, transfer


def scheduled(day: date, *, card_debt: Decimal) -> Iterator[Movement]:
    """`card_debt` is what Alex's credit card owes before anything else happens on `day`."""
    yield from _joint(day)
    yield from _alex(day, card_debt)
    yield from _bea(day)


def _joint(day: date) -> Iterator[Movement]:
    match day.day:
        case 1:
            yield bill(day, "joint", "1480.00", "Rent", "Rent", vendor="Generated Housing")
        case 2:
            yield transfer(day, "alex", "joint", Decimal(1350), "Share of the household")
            yield transfer(day, "bea", "joint", Decimal(1250), "Share of the household")
        case 3:
            yield bill(day, "joint", "128.00", "Energy", "Utilities", vendor="Generated Energy")
        case 8:
            yield bill(day, "joint", "39.90", "Internet", "Utilities", vendor="Generated Telecom")
        case 16:
            yield bill(day, "joint", "17.99", "Films", "Subscriptions", vendor="Generated Films")


def _alex(day: date, card_debt: Decimal) -> Iterator[Movement]:
    match day.day:
        case 1:
            yield bill(
                day, "alex", "58.00", "Ticket", "Public transport", vendor="Generated Transit"
            )
        case 5 if card_debt > 0:
            yield transfer(day, "alex", "alex-card", card_debt, "Credit card settlement")
        case 11:
            yield bill(day, "alex", "12.99", "Music", "Subscriptions", vendor="Generated Music")
        case 27:
            yield income(day, "alex", "2840.00", "Salary", "Salary", vendor="Generated Works GmbH")
        case 28:
            yield transfer(day, "alex", "alex-savings", Decimal(1150), "Savings")


def _bea(day: date) -> Iterator[Movement]:
    match day.month, day.day:
        case _, 14:
            yield bill(day, "bea", "29.00", "Gym", "Subscriptions", vendor="Generated Gym")
        case 1 | 4 | 7 | 10, 20:
            yield income(day, "francs", "480.00", "Fee", "Fees", vendor="Generated Client AG")
        case _, 28:
            yield income(day, "bea", "2560.00", "Salary", "Salary", vendor="Generated Clinic")
            yield transfer(day, "bea", "bea-fund", Decimal(1000), "Savings plan")
