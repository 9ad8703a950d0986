"""The budget trees of the purchase-card ledger: fiscal year, directorate, cost centre."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from backend.budgets.models import BudgetLevel
from backend.seeds.birmingham.source import Purchase, PurchaseCards

# (fiscal year, directorate, cost-centre code), shorter for the levels above.
Place = tuple[int] | tuple[int, str] | tuple[int, str, str]


class BudgetLine(NamedTuple):
    """`amount` of a parent is the sum of its children's."""

    id: UUID
    parent_id: UUID | None
    level: BudgetLevel
    name: str
    starts_on: date
    ends_on: date
    amount: Decimal


def plan_budgets(source: PurchaseCards, organization_id: UUID) -> dict[Place, BudgetLine]:
    """Every budget by its place in its tree, parents before their children."""
    amounts: dict[Place, Decimal] = {}
    for budget in source.budgets:
        place = (budget.fiscal_year, budget.directorate, budget.cost_centre_code)
        for part in (place[:1], place[:2], place):
            amounts[part] = amounts.get(part, Decimal(0)) + budget.amount
    return {
        place: BudgetLine(
            id=_budget_id(organization_id, place),
            parent_id=_budget_id(organization_id, place[:-1]) if len(place) > 1 else None,
            level=_LEVELS[len(place)],
            name=_name(place, source.cost_centres),
            starts_on=date(place[0], 4, 1),
            ends_on=date(place[0] + 1, 3, 31),
            amount=amount,
        )
        for place, amount in amounts.items()
    }


def budget_of(purchase: Purchase, budgets: Mapping[Place, BudgetLine]) -> BudgetLine | None:
    """That of its cost centre in its directorate and year, else the directorate's or the year's."""
    place = (purchase.fiscal_year, purchase.directorate, purchase.cost_centre_code)
    return budgets.get(place) or budgets.get(place[:2]) or budgets.get(place[:1])


def missing_places(source: PurchaseCards, budgets: Mapping[Place, BudgetLine]) -> list[str]:
    """Sentences about budgets that the year before does not give."""
    zero = sum(budget.amount == 0 for budget in source.budgets)
    linked = [b.level for p in source.purchases if (b := budget_of(p, budgets)) is not None]
    return [
        f"{zero:,} cost-centre budgets are 0: refunds outweighed purchases in the year before.",
        (
            f"{linked.count(BudgetLevel.DEPARTMENT):,} rows hang on their directorate's budget: "
            "their cost centre spent nothing there in the year before."
        ),
        (
            f"{linked.count(BudgetLevel.ORGANIZATION):,} rows hang on their year's budget: "
            "their directorate, as spelled, spent nothing in the year before."
        ),
        f"{len(source.purchases) - len(linked):,} rows have no budget: no year lies before theirs.",
    ]


_LEVELS = {1: BudgetLevel.ORGANIZATION, 2: BudgetLevel.DEPARTMENT, 3: BudgetLevel.SERVICE}


def _budget_id(organization_id: UUID, place: tuple[object, ...]) -> UUID:
    return uuid5(organization_id, "/".join(["budget", *map(str, place)]))


def _name(place: Place, cost_centres: Mapping[str, str]) -> str:
    if len(place) == 1:
        return f"Purchase cards {place[0]}/{(place[0] + 1) % 100:02}"
    if len(place) == 2:  # noqa: PLR2004  # so that mypy knows the tuple
        return place[1]
    code = place[2]
    return f"{code} {cost_centres[code]}" if code else "No cost centre"
