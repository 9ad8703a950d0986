"""Giving a budget's amount to its children: evenly, by weight, or by what they spent before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.amounts import refuse_too_fine
from backend.budgets.apportion import apportion
from backend.budgets.figures import spending
from backend.budgets.models import Budget, BudgetPeriod
from backend.budgets.rules import Period
from backend.budgets.service import own_budget
from backend.budgets.tree import over_committed, refuse_broken_trees
from backend.budgets.visibility import visible_budgets
from backend.errors import Conflict, FieldError, Forbidden, InvalidInput
from backend.scope import Scope


class Method(StrEnum):
    EVENLY = "evenly"
    BY_WEIGHT = "by_weight"
    BY_HISTORY = "by_history"


@dataclass(frozen=True, slots=True)
class Share:
    """What a child got for all its periods within the parent's."""

    budget: Budget
    weight: Decimal
    amount: Decimal


async def allocate(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    method: Method,
    *,
    on: date,
    amount: Decimal | None = None,
    weights: Mapping[UUID, Decimal] | None = None,
    history: Period,
) -> tuple[Budget, Period, list[Share]]:
    """Share out the planned amount of the period that holds the day `on`, or `amount` of it.

    Exact to the minor unit, by the largest remainder, among the children and among the periods of
    each. A child that `weights` leave out gets nothing; `history` are the days whose spending
    weighs. Every child must be the caller's to change (`Forbidden`).
    """
    budget = await own_budget(session, scope, budget_id)
    refuse_too_fine(budget.currency, {"amount": amount}, ["amount"])
    period = await _period_on(session, scope, budget_id, on)
    children = await _children(session, scope, budget_id)
    weighed = await _weights(
        session, scope, children, method=method, weights=weights or {}, history=history
    )
    if not any(weighed.values()):
        raise Conflict("There is nothing to share by: every weight is zero.")
    total = period.amount - period.carried if amount is None else amount
    amounts = apportion(total, list(weighed.values()), budget.currency)
    window = Period(period.starts_on, period.ends_on)
    changed = [budget_id, *(child.id for child in children)]
    short = await over_committed(session, scope, changed)
    for child, share in zip(children, amounts, strict=True):
        await _give(session, scope, child, share, window)
    await refuse_broken_trees(session, scope, changed, {"amount"}, short)
    shares = zip(children, weighed.values(), amounts, strict=True)
    return budget, window, [Share(*share) for share in shares]


async def _period_on(
    session: AsyncSession, scope: Scope, budget_id: UUID, on: date
) -> BudgetPeriod:
    period = await session.scalar(
        select(BudgetPeriod).where(
            BudgetPeriod.organization_id == scope.organization_id,
            BudgetPeriod.budget_id == budget_id,
            BudgetPeriod.starts_on <= on,
            BudgetPeriod.ends_on >= on,
        )
    )
    if period is None:
        raise InvalidInput(
            "The budget does not run on that day.",
            errors=[FieldError("#/on", "Name a day that lies in a period of the budget.")],
        )
    return period


async def _children(session: AsyncSession, scope: Scope, budget_id: UUID) -> Sequence[Budget]:
    mine = (
        Budget.organization_id == scope.organization_id,
        Budget.parent_id == budget_id,
        Budget.archived_at.is_(None),
    )
    count = await session.scalar(select(func.count()).select_from(Budget).where(*mine))
    statement = select(Budget).where(visible_budgets(scope), *mine).order_by(Budget.name, Budget.id)
    children = (await session.scalars(statement)).all()
    if not count:
        raise Conflict("The budget has no children to share its amount.")
    if len(children) < count or not all(
        child.owner_id == scope.user_id or scope.writes_organization for child in children
    ):
        raise Forbidden("Not every child of the budget is yours to change.")
    return children


async def _weights(
    session: AsyncSession,
    scope: Scope,
    children: Sequence[Budget],
    *,
    method: Method,
    weights: Mapping[UUID, Decimal],
    history: Period,
) -> dict[UUID, Decimal]:
    ids = [child.id for child in children]
    if method is Method.EVENLY:
        return dict.fromkeys(ids, Decimal(1))
    if method is Method.BY_WEIGHT:
        unknown = [n for n, budget_id in enumerate(weights) if budget_id not in ids]
        if unknown:
            raise InvalidInput(
                "The weights do not fit.",
                errors=[
                    FieldError(f"#/weights/{n}/budget_id", "Not a child of the budget.")
                    for n in unknown
                ],
            )
        return {budget_id: weights.get(budget_id, Decimal(0)) for budget_id in ids}
    windows = dict.fromkeys(ids, history)
    spent = await spending(session, scope.organization_id, windows, history.ends_on)
    return {budget_id: max(spent[budget_id].total, Decimal(0)) for budget_id in ids}


async def _give(
    session: AsyncSession, scope: Scope, child: Budget, share: Decimal, window: Period
) -> None:
    before = state_of(child)
    mine = (
        BudgetPeriod.organization_id == scope.organization_id,
        BudgetPeriod.budget_id == child.id,
    )
    statement = select(BudgetPeriod).where(
        *mine,
        BudgetPeriod.starts_on >= window.starts_on,
        BudgetPeriod.ends_on <= window.ends_on,
    )
    rows = (await session.scalars(statement.order_by(BudgetPeriod.starts_on))).all()
    if not rows:
        if share:
            raise Conflict(f"“{child.name}” has no period within the one that is shared out.")
        return
    parts = apportion(share, [Decimal(1)] * len(rows), child.currency)
    for row, part in zip(rows, parts, strict=True):
        row.amount = part + row.carried
    child.amount = parts[-1]
    child.updated_at = func.now()
    await session.flush()
    await session.refresh(child)
    after = state_of(child) | {"allocated": share}
    await record(session, scope, "allocate", "budget", child.id, before=before, after=after)
