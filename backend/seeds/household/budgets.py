"""The household's monthly budgets: one for everything, one below it for each area of spending."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from backend.seeds.household.ledger import Ledger
from backend.seeds.household.plan import ADMINISTRATOR, BUDGETS
from backend.seeds.people import Person


class Period(NamedTuple):
    starts_on: date
    ends_on: date
    amount: Decimal


class MonthlyBudget(NamedTuple):
    """Periods run to the end of the ledger's last year; `amount` is that of the running one."""

    id: UUID
    parent_id: UUID | None
    name: str
    owner: Person
    shared_with: Person | None
    amount: Decimal
    periods: tuple[Period, ...]


def plan_budgets(
    ledger: Ledger, organization_id: UUID
) -> tuple[MonthlyBudget, list[MonthlyBudget]]:
    """The root and its children, whose amounts sum to the root's in every month."""
    first_year = ledger.starts_on.year
    months = list(_months(ledger.starts_on, ledger.today.year))

    def budget(
        name: str, owner: Person, shared_with: Person | None, by_year: dict[int, Decimal]
    ) -> MonthlyBudget:
        return MonthlyBudget(
            id=budget_id(organization_id, name),
            parent_id=None if name == _ROOT else budget_id(organization_id, _ROOT),
            name=name,
            owner=owner,
            shared_with=shared_with,
            amount=by_year[ledger.today.year],
            periods=tuple(Period(first, last, by_year[first.year]) for first, last in months),
        )

    years = range(first_year, ledger.today.year + 1)
    amounts = {
        planned.name: {year: _raised(planned.first_amount, year - first_year) for year in years}
        for planned in BUDGETS
    }
    total = {
        year: sum((by_year[year] for by_year in amounts.values()), Decimal(0)) for year in years
    }
    return budget(_ROOT, ADMINISTRATOR, None, total), [
        budget(planned.name, planned.owner, planned.shared_with, amounts[planned.name])
        for planned in BUDGETS
    ]


def budget_id(organization_id: UUID, name: str) -> UUID:
    return uuid5(organization_id, f"budget/{name}")


def budget_names() -> dict[str, str]:
    """Category to the budget that it counts in."""
    return {category: budget.name for budget in BUDGETS for category in budget.categories}


_ROOT = "Everything (generated)"


def _raised(first_amount: Decimal, years: int) -> Decimal:
    """3 % of the first amount more each year, in whole euros."""
    return (first_amount * (100 + 3 * years) / 100).quantize(Decimal(1))


def _months(starts_on: date, last_year: int) -> Iterator[tuple[date, date]]:
    """First and last day of every month from that of `starts_on` to December of `last_year`."""
    first = starts_on.replace(day=1)
    while first.year <= last_year:
        following = (first + timedelta(days=31)).replace(day=1)
        yield first, following - timedelta(days=1)
        first = following
