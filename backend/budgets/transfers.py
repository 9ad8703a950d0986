"""Moving money between budgets.

The amount of a budget holds those of its children. So a transfer takes from its source and all
above that, and gives to its target and all above that; what lies above both stays as it is. All
money of the organization, which is that of its roots, is the same before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.amounts import refuse_too_fine
from backend.budgets.figures import spending
from backend.budgets.models import Budget, BudgetPeriod, BudgetTransfer
from backend.budgets.queries import get_budget, unknown_budgets
from backend.budgets.rules import Period
from backend.budgets.service import own_budget
from backend.budgets.tree import over_committed, path_to_root, refuse_broken_trees
from backend.budgets.visibility import visible_budgets
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import refuse
from backend.errors import Conflict, FieldError, Forbidden, InvalidInput
from backend.identity.permissions import require_owner
from backend.money import format_amount
from backend.scope import Scope

NEWEST_FIRST = Order((BudgetTransfer.id,), descending=True)


@dataclass(frozen=True, slots=True)
class Moved:
    """A budget whose amount a transfer changed, in the period that begins on `starts_on`."""

    budget: Budget
    starts_on: date
    before: Decimal
    after: Decimal


async def transfer(
    session: AsyncSession,
    scope: Scope,
    from_id: UUID,
    to_id: UUID,
    *,
    amount: Decimal,
    on: date,
    note: str | None = None,
) -> tuple[BudgetTransfer, list[Moved]]:
    """Move `amount` within the periods that hold the day `on`.

    Only money that is neither spent, committed nor given to children moves (`Conflict`). Every
    budget whose amount changes must be the caller's to change (`Forbidden`).
    """
    source = await own_budget(session, scope, from_id)
    refuse(await unknown_budgets(session, scope, [("#/to_budget_id", to_id)]))
    target = await get_budget(session, scope, to_id, lock=True)
    require_owner(scope, target.owner_id)
    _refuse_unfit(source, target)
    refuse_too_fine(source.currency, {"amount": amount}, ["amount"])
    up = await path_to_root(session, scope, from_id)
    down = await path_to_root(session, scope, to_id)
    losing = await _writable(session, scope, [n for n in up if n not in down])
    gaining = await _writable(session, scope, [n for n in down if n not in up])
    budgets = {b.id: b for b in (source, *losing, *gaining)}
    held = await _periods_on(session, scope, budgets, on)
    await _refuse_missing(session, scope, source, losing, held=held, amount=amount, on=on)
    short = await over_committed(session, scope, budgets)
    changes = [(b, -amount) for b in losing] + [(b, amount) for b in gaining]
    moved = [await _move(session, scope, b, held[b.id], change) for b, change in changes]
    await refuse_broken_trees(session, scope, budgets, {"amount"}, short)
    row = BudgetTransfer(
        organization_id=scope.organization_id,
        from_budget_id=from_id,
        to_budget_id=to_id,
        transferred_on=on,
        amount=amount,
        currency=source.currency,
        note=note,
        created_by=scope.user_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await record(session, scope, "create", "budget_transfer", row.id, after=state_of(row))
    return row, moved


async def list_transfers(
    session: AsyncSession, scope: Scope, budget_id: UUID, window: Window
) -> Sequence[BudgetTransfer]:
    """From and to a budget; the other end need not be visible."""
    await get_budget(session, scope, budget_id)
    ends = or_(BudgetTransfer.from_budget_id == budget_id, BudgetTransfer.to_budget_id == budget_id)
    statement = select(BudgetTransfer).where(
        BudgetTransfer.organization_id == scope.organization_id, ends
    )
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def change_period(
    session: AsyncSession, scope: Scope, budget: Budget, period: BudgetPeriod, amount: Decimal
) -> dict[str, Any]:
    """Give one period of the budget another amount; answers the budget's state before.

    Where it is the only one, the budget's own amount is the planned part of it.
    """
    before = _state(budget, period)
    period.amount = amount
    mine = (
        BudgetPeriod.organization_id == scope.organization_id,
        BudgetPeriod.budget_id == budget.id,
    )
    if await session.scalar(select(func.count()).select_from(BudgetPeriod).where(*mine)) == 1:
        budget.amount = amount - period.carried
    budget.updated_at = func.now()
    await session.flush()
    await session.refresh(budget)
    return before


async def _move(
    session: AsyncSession, scope: Scope, budget: Budget, period: BudgetPeriod, change: Decimal
) -> Moved:
    old = period.amount
    before = await change_period(session, scope, budget, period, old + change)
    after = _state(budget, period)
    await record(session, scope, "transfer", "budget", budget.id, before=before, after=after)
    return Moved(budget, period.starts_on, old, period.amount)


def _state(budget: Budget, period: BudgetPeriod) -> dict[str, Any]:
    return state_of(budget) | {"period": state_of(period, "budget_id")}


def _refuse_unfit(source: Budget, target: Budget) -> None:
    if source.id == target.id:
        detail = "A transfer goes to another budget."
    elif source.currency != target.currency:
        detail = f"It is in {target.currency}, and the money is in {source.currency}."
    else:
        return
    raise InvalidInput("The budget does not fit.", errors=[FieldError("#/to_budget_id", detail)])


async def _writable(session: AsyncSession, scope: Scope, ids: list[UUID]) -> Sequence[Budget]:
    if not ids:
        return ()
    statement = select(Budget).where(visible_budgets(scope), Budget.id.in_(ids))
    budgets = (await session.scalars(locked(statement.order_by(Budget.id)))).all()
    if len(budgets) < len(ids) or not all(
        b.owner_id == scope.user_id or scope.writes_organization for b in budgets
    ):
        raise Forbidden("It would change budgets between the two that are not yours to change.")
    return budgets


async def _periods_on(
    session: AsyncSession, scope: Scope, budgets: dict[UUID, Budget], on: date
) -> dict[UUID, BudgetPeriod]:
    statement = select(BudgetPeriod).where(
        BudgetPeriod.organization_id == scope.organization_id,
        BudgetPeriod.budget_id.in_(budgets),
        BudgetPeriod.starts_on <= on,
        BudgetPeriod.ends_on >= on,
    )
    held = {period.budget_id: period for period in await session.scalars(statement)}
    if held.keys() != budgets.keys():
        raise InvalidInput(
            "The budgets do not run on that day.",
            errors=[FieldError("#/on", "Name a day that lies in a period of both budgets.")],
        )
    return held


async def _refuse_missing(
    session: AsyncSession,
    scope: Scope,
    source: Budget,
    losing: Sequence[Budget],
    *,
    held: dict[UUID, BudgetPeriod],
    amount: Decimal,
    on: date,
) -> None:
    windows = {b.id: Period(held[b.id].starts_on, held[b.id].ends_on) for b in (source, *losing)}
    spent = await spending(session, scope.organization_id, windows, on)
    period = held[source.id]
    free = [
        period.amount - period.carried,
        *(held[b.id].amount - spent[b.id].total - spent[b.id].committed for b in (source, *losing)),
    ]
    if not source.allows_over_allocation:
        given = await _given_to_children(session, scope, period)
        own = spent[source.id].own + spent[source.id].own_committed
        free.append(period.amount - given - own)
    available = max(min(free), Decimal(0))
    if amount > available:
        raise Conflict(
            f"{format_amount(available, source.currency)} {source.currency} of “{source.name}” can "
            "be moved: the rest is spent, committed or given to budgets below it.",
            errors=[FieldError("#/amount", "More than can be moved.")],
        )


async def _given_to_children(session: AsyncSession, scope: Scope, period: BudgetPeriod) -> Decimal:
    children = select(Budget.id).where(
        Budget.organization_id == scope.organization_id,
        Budget.parent_id == period.budget_id,
        Budget.archived_at.is_(None),
    )
    planned = func.sum(BudgetPeriod.amount - BudgetPeriod.carried)
    given = await session.scalar(
        select(func.coalesce(planned, 0)).where(
            BudgetPeriod.organization_id == scope.organization_id,
            BudgetPeriod.budget_id.in_(children),
            BudgetPeriod.starts_on >= period.starts_on,
            BudgetPeriod.ends_on <= period.ends_on,
        )
    )
    return Decimal(given or 0)
