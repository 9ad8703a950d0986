"""Common set-ups: trees of budgets that share one amount by weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.apportion import apportion
from backend.budgets.models import Budget, BudgetLevel, BudgetType
from backend.budgets.service import create_budget
from backend.errors import NotFound
from backend.scope import Scope


@dataclass(frozen=True, slots=True)
class Part:
    """`weight` is its share among the parts of the same budget."""

    name: str
    level: BudgetLevel
    weight: int
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    name: str
    description: str
    level: BudgetLevel
    type: BudgetType
    parts: tuple[Part, ...]


def _parts(level: BudgetLevel, **weights: int) -> tuple[Part, ...]:
    return tuple(Part(name.replace("_", " "), level, weight) for name, weight in weights.items())


TEMPLATES = (
    Template(
        "household-50-30-20",
        "Household, 50/30/20",
        "Half for needs, three tenths for wants, the rest put aside; month by month.",
        BudgetLevel.ORGANIZATION,
        BudgetType.MONTHLY,
        (
            Part(
                "Needs",
                BudgetLevel.DEPARTMENT,
                50,
                _parts(BudgetLevel.DEPARTMENT, Housing=26, Groceries=12, Transport=7, Insurance=5),
            ),
            Part(
                "Wants",
                BudgetLevel.DEPARTMENT,
                30,
                _parts(BudgetLevel.DEPARTMENT, Eating_out=10, Leisure=12, Shopping=8),
            ),
            Part("Savings", BudgetLevel.DEPARTMENT, 20),
        ),
    ),
    Template(
        "company-departments",
        "Company by department",
        "One year, divided over the departments of a small company.",
        BudgetLevel.ORGANIZATION,
        BudgetType.ANNUAL,
        _parts(
            BudgetLevel.DEPARTMENT,
            Engineering=40,
            Marketing=20,
            Sales=20,
            Operations=12,
            People=8,
        ),
    ),
    Template(
        "marketing-campaign",
        "Marketing campaign",
        "A campaign over its channels, with something kept back.",
        BudgetLevel.CAMPAIGN,
        BudgetType.CAMPAIGN,
        _parts(
            BudgetLevel.CAMPAIGN,
            Search_ads=30,
            Social_ads=30,
            Content=20,
            Events=10,
            Reserve=10,
        ),
    ),
    Template(
        "cloud-costs",
        "Cloud costs",
        "A year of infrastructure by kind of service, quarter by quarter.",
        BudgetLevel.SERVICE,
        BudgetType.QUARTERLY,
        _parts(
            BudgetLevel.SERVICE,
            Compute=45,
            Storage=20,
            Databases=20,
            Network=10,
            Support=5,
        ),
    ),
    Template(
        "project",
        "Project",
        "A project with its people, what they need, and a tenth for what nobody foresaw.",
        BudgetLevel.PROJECT,
        BudgetType.PROJECT,
        _parts(
            BudgetLevel.PROJECT,
            Labour=60,
            Equipment=15,
            Travel=5,
            Services=10,
            Contingency=10,
        ),
    ),
)

_BY_ID = {template.id: template for template in TEMPLATES}


async def create_from_template(
    session: AsyncSession,
    scope: Scope,
    template_id: str,
    *,
    name: str | None,
    amount: Decimal,
    currency: str,
    starts_on: date,
    ends_on: date,
    parent_id: UUID | None = None,
    owner_id: UUID | None = None,
) -> Budget:
    """The whole tree at once; its parts divide the amount to the minor unit. Answers its top."""
    template = _BY_ID.get(template_id)
    if template is None:
        raise NotFound("There is no such template.")
    common = {
        "type": template.type,
        "currency": currency,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "owner_id": owner_id,
    }
    top = await create_budget(
        session,
        scope,
        common
        | {
            "name": name or template.name,
            "description": template.description,
            "level": template.level,
            "amount": amount,
            "parent_id": parent_id,
        },
    )
    await _create_parts(session, scope, top, template.parts, common)
    return top


async def _create_parts(
    session: AsyncSession,
    scope: Scope,
    above: Budget,
    parts: Sequence[Part],
    common: dict[str, object],
) -> None:
    if not parts:
        return
    weights = [Decimal(part.weight) for part in parts]
    for part, amount in zip(parts, apportion(above.amount, weights, above.currency), strict=True):
        values = common | {
            "name": part.name,
            "level": part.level,
            "amount": amount,
            "parent_id": above.id,
        }
        budget = await create_budget(session, scope, values)
        await _create_parts(session, scope, budget, part.parts, common)
