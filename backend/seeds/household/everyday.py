"""What chance brings: groceries, meals, clothes and their return, and two trips a year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from backend.ledger.models import TransactionKind, TransactionStatus
from backend.seeds.household.movement import Movement, Part, card_purchase

_SATURDAY = 5

# (month, first day, last day) of a trip to Switzerland, in every year.
_TRIPS = {"Snow": (2, 10, 16), "Zurich": (9, 18, 21)}


def everyday(day: date, rng: Random) -> Iterator[Movement]:
    """Purchases of `day`, and what follows from them on a later date."""
    weekend = day.weekday() >= _SATURDAY
    if _happens(rng, 75 if day.weekday() == _SATURDAY else 45):
        yield _groceries(day, rng)
    if _happens(rng, 45 if weekend else 22):
        yield _meal(day, rng, *(["together"] if weekend else []))
    if _happens(rng, 9):
        yield card_purchase(
            day, "bea", _cents(rng, 320, 1460), "Tickets", "Public transport",
            vendor="Generated Transit",
        )  # fmt: skip
    if _happens(rng, 2):
        yield card_purchase(
            day, "alex-card", _cents(rng, 1500, 14_000), "Repair", "Bicycle",
            vendor="Generated Bike Workshop",
        )  # fmt: skip
    if _happens(rng, 7):
        yield from _clothes(day, rng)
    for name, (month, first, last) in _TRIPS.items():
        if day.month == month and first <= day.day <= last:
            yield from _trip(day, rng, f"{name} {day.year}", arrival=day.day == first)


def _groceries(day: date, rng: Random) -> Movement:
    """Now and then the receipt also lists things for the household."""
    food = _cents(rng, 1250, 9800)
    vendor = rng.choice(("Generated Market", "Generated Organics", "Generated Discounter"))
    receipt = card_purchase(day, "joint", food, "Groceries", "Groceries", "together", vendor=vendor)
    if not _happens(rng, 12):
        return receipt
    goods = _cents(rng, 490, 4200)
    return replace(
        receipt,
        amount=food + goods,
        description="Groceries and household goods",
        parts=(Part(food, "Groceries"), Part(goods, "Household goods", "together")),
    )


def _meal(day: date, rng: Random, *tags: str) -> Movement:
    account = rng.choice(("alex-card", "bea"))
    vendor = rng.choice(("Generated Trattoria", "Generated Noodle Bar", "Generated Café"))
    price = _cents(rng, 850, 5200)
    meal = card_purchase(day, account, price, "Meal", "Eating out", *tags, vendor=vendor)
    return replace(meal, status=TransactionStatus.CANCELLED) if _happens(rng, 3) else meal


def _clothes(day: date, rng: Random) -> Iterator[Movement]:
    account, price = rng.choice(("alex-card", "bea")), _cents(rng, 1990, 15_900)
    bought = card_purchase(
        day, account, price, "Clothes", "Clothing", "online", vendor="Generated Outfitters"
    )
    yield bought
    if _happens(rng, 25):
        yield replace(
            bought,
            date=day + timedelta(days=rng.randint(5, 14)),
            kind=TransactionKind.REFUND,
            description="Clothes returned",
        )


def _trip(day: date, rng: Random, tag: str, *, arrival: bool) -> Iterator[Movement]:
    if arrival:
        hotel, train = _cents(rng, 38_000, 62_000), _cents(rng, 9900, 18_900)
        yield card_purchase(day, "francs", hotel, "Hotel", "Travel", tag, vendor="Generated Hotel")
        yield card_purchase(
            day, "alex-card", train, "Train", "Travel", tag, vendor="Generated Rail"
        )
    price = _cents(rng, 2800, 9500)
    yield card_purchase(day, "francs", price, "Day out", "Travel", tag, vendor="Generated Alps")


def _happens(rng: Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def _cents(rng: Random, low: int, high: int) -> Decimal:
    return Decimal(rng.randint(low, high)) / 100
