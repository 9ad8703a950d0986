"""The shape of one synthetic organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from uuid import UUID

from backend.seeds.people import Person

YEARS = 3
ACCOUNTS_PER_PERSON = 2
CATEGORIES = 20
TAGS = 10
BUDGETS = 4  # below one root
VENDORS = 500
CURRENCY = "EUR"


class Rows(IntEnum):
    """What a row id counts; part of the id."""

    ACCOUNT = 1
    CATEGORY = 2
    TAG = 3
    BUDGET = 4
    TRANSACTION = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """One organization of a synthetic seed."""

    organization_id: UUID
    name: str
    people: tuple[Person, ...]
    transactions: int
    randomness: str  # what the draws of its rows begin with
    starts_on: date
    today: date

    def id(self, rows: Rows, number: int) -> UUID:
        """A version 8 UUID that counts upwards, so that rows fill their indexes in order."""
        prefix = self.organization_id.int >> 80
        return UUID(int=(prefix << 80) | (8 << 76) | (rows << 64) | (0b10 << 62) | number)
