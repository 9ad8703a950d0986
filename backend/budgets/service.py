"""Writing budgets with their periods, and sharing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetPeriod, BudgetShare, BudgetType
from backend.budgets.queries import budget_shares, get_budget, unknown_budgets
from backend.budgets.rules import Period, periods
from backend.budgets.visibility import visible_budget_ids
from backend.db.references import refuse
from backend.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from backend.identity.permissions import choose_owner, require_ledger_writer, require_owner
from backend.identity.queries import is_member
from backend.scope import Scope

_SHAPES_PERIODS = {"type", "amount", "starts_on", "ends_on"}


async def create_budget(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Budget:
    """A root, or a child of a budget that the caller sees."""
    require_ledger_writer(scope)
    await _require_parent(session, scope, values.get("parent_id"))
    owner_id = await choose_owner(session, scope, values.get("owner_id"))
    budget = Budget(organization_id=scope.organization_id, **values | {"owner_id": owner_id})
    _refuse_bad_limits(budget)
    planned = periods(BudgetType(budget.type), budget.starts_on, budget.ends_on)
    session.add(budget)
    await session.flush()
    await session.refresh(budget)
    await _add_periods(session, budget, planned)
    return budget


async def update_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, changes: dict[str, Any]
) -> Budget:
    """Change what is named; a change of type, amount or dates makes the periods anew.

    `archived` archives the budget or brings it back.
    """
    budget = await _own_budget(session, scope, budget_id)
    changes = dict(changes)
    archived = changes.pop("archived", None)
    if await _hides_parent(session, scope, budget, changes):
        del changes["parent_id"]
    await _require_parent(session, scope, changes.get("parent_id"))
    if "owner_id" in changes and changes["owner_id"] != budget.owner_id:
        await choose_owner(session, scope, changes["owner_id"])
    for name, value in changes.items():
        setattr(budget, name, value)
    if archived is not None and archived != (budget.archived_at is not None):
        budget.archived_at = func.now() if archived else None
    _refuse_bad_limits(budget)
    planned = periods(BudgetType(budget.type), budget.starts_on, budget.ends_on)
    await session.flush()
    await session.refresh(budget)
    if _SHAPES_PERIODS & changes.keys():
        await session.execute(
            delete(BudgetPeriod).where(
                BudgetPeriod.organization_id == scope.organization_id,
                BudgetPeriod.budget_id == budget_id,
            )
        )
        await _add_periods(session, budget, planned)
    return budget


async def delete_budget(session: AsyncSession, scope: Scope, budget_id: UUID) -> None:
    """`Conflict` while it has children or anything is booked on it: such a budget is archived."""
    budget = await _own_budget(session, scope, budget_id)
    await session.delete(budget)
    await session.flush()


async def list_shares(session: AsyncSession, scope: Scope, budget_id: UUID) -> Sequence[UUID]:
    """The users it is shared with; for its owner and whoever sees the whole organization."""
    budget = await get_budget(session, scope, budget_id)
    if budget.owner_id != scope.user_id and not scope.sees_whole_organization:
        raise Forbidden("Only the owner sees with whom a budget is shared.")
    return await budget_shares(session, scope, budget_id)


async def share_budget(session: AsyncSession, scope: Scope, budget_id: UUID, user_id: UUID) -> None:
    """Show the budget to another member; sharing it twice is sharing it once."""
    budget = await _own_budget(session, scope, budget_id)
    if not await is_member(session, scope, user_id):
        raise NotFound("There is no such member.")
    if user_id == budget.owner_id:
        raise Conflict("The budget belongs to this member.")
    await session.execute(
        insert(BudgetShare)
        .values(organization_id=scope.organization_id, budget_id=budget_id, user_id=user_id)
        .on_conflict_do_nothing()
    )


async def unshare_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, user_id: UUID
) -> None:
    await _own_budget(session, scope, budget_id)
    await session.execute(
        delete(BudgetShare).where(
            BudgetShare.organization_id == scope.organization_id,
            BudgetShare.budget_id == budget_id,
            BudgetShare.user_id == user_id,
        )
    )


async def _own_budget(session: AsyncSession, scope: Scope, budget_id: UUID) -> Budget:
    require_ledger_writer(scope)
    budget = await get_budget(session, scope, budget_id, lock=True)
    require_owner(scope, budget.owner_id)
    return budget


async def _require_parent(session: AsyncSession, scope: Scope, parent_id: UUID | None) -> None:
    if parent_id is not None:
        refuse(await unknown_budgets(session, scope, [("#/parent_id", parent_id)]))


async def _hides_parent(
    session: AsyncSession, scope: Scope, budget: Budget, changes: dict[str, Any]
) -> bool:
    """Whether `null` only repeats what the caller was shown of a parent they may not see."""
    if budget.parent_id is None or "parent_id" not in changes or changes["parent_id"] is not None:
        return False
    return not await visible_budget_ids(session, scope, [budget.parent_id])


def _refuse_bad_limits(budget: Budget) -> None:
    errors = []
    if budget.starts_on > budget.ends_on:
        errors.append(FieldError("#/ends_on", "Must not lie before `starts_on`."))
    if budget.warning_threshold > budget.critical_threshold:
        errors.append(FieldError("#/critical_threshold", "Must not be below the warning."))
    if errors:
        raise InvalidInput("The budget contradicts itself.", errors=errors)


async def _add_periods(session: AsyncSession, budget: Budget, planned: list[Period]) -> None:
    await session.execute(
        insert(BudgetPeriod),
        [
            {
                "organization_id": budget.organization_id,
                "budget_id": budget.id,
                "starts_on": period.starts_on,
                "ends_on": period.ends_on,
                "amount": budget.amount,
            }
            for period in planned
        ],
    )
