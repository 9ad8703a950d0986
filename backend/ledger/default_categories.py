"""The categories that a household or a company may begin with, and making them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import cast, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record, record_many
from backend.audit.states import stored_states
from backend.db.references import among
from backend.identity.permissions import require_organization_writer
from backend.ledger.category_tree import hold_tree
from backend.ledger.models import Category
from backend.ledger.visibility import visible_categories
from backend.scope import Scope


class Child(NamedTuple):
    name: str
    icon: str


@dataclass(frozen=True, slots=True)
class DefaultCategory:
    """`icon` is a name of the Lucide set. Children have the colour of the one above them."""

    name: str
    colour: str
    icon: str
    children: Sequence[Child]


DEFAULTS = (
    DefaultCategory(
        "Housing",
        "#8d6e63",
        "house",
        (
            Child("Rent", "key-round"),
            Child("Mortgage", "landmark"),
            Child("Repairs", "hammer"),
            Child("Furniture", "sofa"),
        ),
    ),
    DefaultCategory(
        "Utilities",
        "#fbc02d",
        "plug",
        (
            Child("Electricity", "zap"),
            Child("Heating", "flame"),
            Child("Water", "droplets"),
            Child("Internet and phone", "wifi"),
        ),
    ),
    DefaultCategory(
        "Food",
        "#43a047",
        "utensils",
        (
            Child("Groceries", "shopping-basket"),
            Child("Restaurants", "chef-hat"),
            Child("Coffee and snacks", "coffee"),
        ),
    ),
    DefaultCategory(
        "Transport",
        "#1e88e5",
        "car",
        (
            Child("Fuel", "fuel"),
            Child("Public transport", "bus"),
            Child("Taxi and sharing", "car-taxi-front"),
            Child("Vehicle upkeep", "wrench"),
        ),
    ),
    DefaultCategory(
        "Travel",
        "#00acc1",
        "plane",
        (
            Child("Flights", "plane-takeoff"),
            Child("Trains", "train-front"),
            Child("Accommodation", "bed-double"),
            Child("Meals on the way", "soup"),
        ),
    ),
    DefaultCategory(
        "Health",
        "#e53935",
        "heart-pulse",
        (
            Child("Doctor and dentist", "stethoscope"),
            Child("Medicine", "pill"),
            Child("Sport", "dumbbell"),
        ),
    ),
    DefaultCategory(
        "Leisure",
        "#8e24aa",
        "party-popper",
        (
            Child("Entertainment", "clapperboard"),
            Child("Hobbies", "palette"),
            Child("Clothing", "shirt"),
            Child("Gifts and donations", "gift"),
        ),
    ),
    DefaultCategory(
        "Education",
        "#3949ab",
        "graduation-cap",
        (Child("Courses", "book-open"), Child("Books", "library"), Child("Childcare", "baby")),
    ),
    DefaultCategory(
        "Finance",
        "#546e7a",
        "banknote",
        (
            Child("Insurance", "shield"),
            Child("Taxes", "scale"),
            Child("Bank charges", "receipt"),
            Child("Interest", "percent"),
        ),
    ),
    DefaultCategory(
        "Marketing",
        "#d81b60",
        "megaphone",
        (
            Child("Advertising", "target"),
            Child("Events", "calendar-days"),
            Child("Content and design", "pen-tool"),
        ),
    ),
    DefaultCategory(
        "Technology",
        "#5e35b1",
        "laptop",
        (
            Child("Software and subscriptions", "app-window"),
            Child("Cloud and hosting", "cloud"),
            Child("Hardware", "hard-drive"),
        ),
    ),
    DefaultCategory(
        "Office and staff",
        "#6d4c41",
        "briefcase",
        (
            Child("Salaries", "users"),
            Child("Contractors", "handshake"),
            Child("Office supplies", "paperclip"),
            Child("Professional services", "file-text"),
        ),
    ),
    DefaultCategory(
        "Income",
        "#2e7d32",
        "trending-up",
        (
            Child("Salary", "wallet"),
            Child("Sales", "shopping-cart"),
            Child("Interest and dividends", "piggy-bank"),
            Child("Other income", "circle-plus"),
        ),
    ),
)


async def create_default_categories(session: AsyncSession, scope: Scope) -> Sequence[Category]:
    """Make those that are not there by name, in their place; answers what was made.

    A category that is there keeps its look and its children, so a second time makes nothing.
    """
    require_organization_writer(scope)
    await hold_tree(session, scope)
    found = await session.scalars(select(Category).where(visible_categories(scope)))
    there = {(c.parent_id, c.name): c.id for c in found}

    async def make(wanted: Iterable[_Look]) -> list[Category]:
        rows = [
            Category(organization_id=scope.organization_id, **vars(look))
            for look in wanted
            if (look.parent_id, look.name) not in there
        ]
        session.add_all(rows)
        await session.flush()
        there.update({(row.parent_id, row.name): row.id for row in rows})
        return rows

    made = await make(_Look(None, r.name, r.colour, r.icon) for r in DEFAULTS)
    made += await make(
        _Look(there[None, root.name], name, root.colour, icon)
        for root in DEFAULTS
        for name, icon in root.children
    )
    await _record(session, scope, made)
    return made


@dataclass(frozen=True)
class _Look:
    parent_id: UUID | None
    name: str
    colour: str
    icon: str


async def _record(session: AsyncSession, scope: Scope, made: Sequence[Category]) -> None:
    """An entry for each, and one for the request, which may have had nothing left to do."""
    created = select(
        Category.id.label("object_id"),
        cast(null(), JSONB).label("before"),
        stored_states(Category).label("after"),
    ).where(visible_categories(scope), among(Category.id, [c.id for c in made]))
    await record_many(session, scope, "create", "category", created)
    await record(
        session,
        scope,
        "create_default_categories",
        "organization",
        scope.organization_id,
        after={"created": len(made)},
    )
