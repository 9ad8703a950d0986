"""Writing budgets with their periods, and sharing them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.amounts import refuse_too_fine
from backend.budgets.matching import Rule, rule_states, set_rules
from backend.budgets.models import Budget, BudgetShare, BudgetType, RolloverPolicy
from backend.budgets.plan import plan_periods
from backend.budgets.queries import get_budget, unknown_budgets
from backend.budgets.rules import periods
from backend.budgets.standing import today_of
from backend.budgets.tree import hold_trees, over_committed, refuse_broken_trees
from backend.budgets.visibility import visible_budget_ids
from backend.db.base import Base
from backend.db.references import refuse
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import choose_owner, require_ledger_writer, require_owner
from backend.identity.sharing import Sharing, share, shared_with, unshare
from backend.scope import Scope

_SHARING = Sharing("budget", Base.metadata.tables[BudgetShare.__tablename__])
_SHAPES_PERIODS = {"type", "amount", "starts_on", "ends_on"}
# The database's own, known before it is asked.
_DEFAULTS = {
    "warning_threshold": 75,
    "critical_threshold": 90,
    "rollover_policy": RolloverPolicy.NONE,
}
_MONEY = {"amount", "rollover_cap", "target_cpa"}
_SHAPES_TREE = _SHAPES_PERIODS | {"parent_id", "allows_over_allocation", "archived"}


async def create_budget(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Budget:
    """A root, or a child of a budget that the caller sees; `rules` are its matching rules."""
    require_ledger_writer(scope)
    values = dict(values)
    rules: Sequence[Rule] = values.pop("rules", ())
    await hold_trees(session, scope)
    await _require_parent(session, scope, values.get("parent_id"))
    owner_id = await choose_owner(session, scope, values.get("owner_id"))
    values = _DEFAULTS | values | {"owner_id": owner_id}
    budget = Budget(organization_id=scope.organization_id, **values)
    refuse_bad_limits(budget)
    refuse_too_fine(budget.currency, values, _MONEY)
    planned = periods(BudgetType(budget.type), budget.starts_on, budget.ends_on)
    short = await over_committed(session, scope, [budget.parent_id])
    session.add(budget)
    await session.flush()
    await session.refresh(budget)
    await plan_periods(session, budget, planned)
    if budget.parent_id is not None:
        await refuse_broken_trees(session, scope, [budget.id], values, short)
    await set_rules(session, scope, budget, rules)
    after = await whole_state(session, scope, budget)
    await record(session, scope, "create", "budget", budget.id, after=after)
    return budget


async def update_budget(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
    *,
    seen_accounts: Collection[UUID] = frozenset(),
) -> Budget:
    """Change what is named. Periods whose days stay as they are stay; the others are made anew.

    A new amount holds for every period that is not over. `archived` archives the budget or brings
    it back; `rules` replace what was there, as `set_rules` says.
    """
    budget = await own_budget(session, scope, budget_id, expected)
    before = await whole_state(session, scope, budget)
    changes = dict(changes)
    archived = changes.pop("archived", None)
    rules: Sequence[Rule] | None = changes.pop("rules", None)
    if await _hides_parent(session, scope, budget, changes):
        del changes["parent_id"]
    await _require_parent(session, scope, changes.get("parent_id"))
    if "owner_id" in changes and changes["owner_id"] != budget.owner_id:
        await choose_owner(session, scope, changes["owner_id"])
    if changes.get("rollover_policy", RolloverPolicy.CAPPED) != RolloverPolicy.CAPPED:
        changes.setdefault("rollover_cap", None)
    given = {name for name, value in changes.items() if value != getattr(budget, name)}
    refuse_too_fine(budget.currency, changes, _MONEY & given)
    short = await over_committed(session, scope, [budget_id, changes.get("parent_id")])
    for name in given:
        setattr(budget, name, changes[name])
    if archived is not None and archived != (budget.archived_at is not None):
        budget.archived_at = func.now() if archived else None
        given |= set() if archived else {"archived"}
    refuse_bad_limits(budget)
    planned = periods(BudgetType(budget.type), budget.starts_on, budget.ends_on)
    budget.updated_at = func.now()  # rules and periods are part of it
    await session.flush()
    await session.refresh(budget)
    if _SHAPES_PERIODS & given:
        new_from = today_of(scope) if "amount" in given else None
        await plan_periods(session, budget, planned, new_amount_from=new_from)
    if _SHAPES_TREE & given:
        await refuse_broken_trees(session, scope, [budget_id], given, short)
    if rules is not None:
        await set_rules(session, scope, budget, rules, seen_accounts)
    after = await whole_state(session, scope, budget)
    await record(session, scope, "update", "budget", budget_id, before=before, after=after)
    return budget


async def replace_budget(
    session: AsyncSession,
    scope: Scope,
    budget_id: UUID,
    values: dict[str, Any],
    expected: Expected = None,
    *,
    seen_accounts: Collection[UUID] = frozenset(),
) -> Budget:
    """As `update_budget` with every field named; without an owner it keeps the one it has."""
    budget = await get_budget(session, scope, budget_id)
    values = dict(values)
    if values["owner_id"] is None:
        del values["owner_id"]
    if values.pop("currency") != budget.currency:
        raise InvalidInput(
            "The currency stays as it is.",
            errors=[FieldError("#/currency", f"The budget is in {budget.currency}.")],
        )
    return await update_budget(
        session, scope, budget_id, values, expected, seen_accounts=seen_accounts
    )


async def delete_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, expected: Expected = None
) -> None:
    """`Conflict` while it has children or anything is booked on it: such a budget is archived."""
    budget = await own_budget(session, scope, budget_id, expected)
    before = await whole_state(session, scope, budget)
    await session.delete(budget)
    await session.flush()
    await record(session, scope, "delete", "budget", budget_id, before=before)


async def list_shares(session: AsyncSession, scope: Scope, budget_id: UUID) -> Sequence[UUID]:
    return await shared_with(session, scope, _SHARING, await get_budget(session, scope, budget_id))


async def share_budget(session: AsyncSession, scope: Scope, budget_id: UUID, user_id: UUID) -> None:
    await share(session, scope, _SHARING, await own_budget(session, scope, budget_id), user_id)


async def unshare_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, user_id: UUID
) -> None:
    await unshare(session, scope, _SHARING, await own_budget(session, scope, budget_id), user_id)


async def own_budget(
    session: AsyncSession, scope: Scope, budget_id: UUID, expected: Expected = None
) -> Budget:
    """A budget that the caller may change, held alone with all trees until the transaction ends."""
    require_ledger_writer(scope)
    await hold_trees(session, scope)
    budget = await get_budget(session, scope, budget_id, lock=True)
    require_owner(scope, budget.owner_id)
    require_version(budget, expected)
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


async def whole_state(session: AsyncSession, scope: Scope, budget: Budget) -> dict[str, Any]:
    """For the record: the budget with its rules."""
    return state_of(budget) | {"rules": await rule_states(session, scope, budget.id)}


def refuse_bad_limits(budget: Budget) -> None:
    errors = []
    if budget.starts_on > budget.ends_on:
        errors.append(FieldError("#/ends_on", "Must not lie before `starts_on`."))
    if budget.warning_threshold > budget.critical_threshold:
        errors.append(FieldError("#/critical_threshold", "Must not be below the warning."))
    if (budget.rollover_policy == RolloverPolicy.CAPPED) != (budget.rollover_cap is not None):
        detail = "The policy `capped` needs a cap, and no other has one."
        errors.append(FieldError("#/rollover_cap", detail))
    if errors:
        raise InvalidInput("The budget contradicts itself.", errors=errors)
