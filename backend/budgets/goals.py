"""Goals and what was counted towards them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.budgets.amounts import refuse_too_fine
from backend.budgets.commitments import Goal, GoalProgress, GoalType
from backend.budgets.figures import spending
from backend.budgets.goal_measures import Facts, Measures, measure
from backend.budgets.models import Budget
from backend.budgets.performance import Spending
from backend.budgets.queries import get_budget, unknown_budgets
from backend.budgets.rules import Period
from backend.budgets.standing import standings
from backend.budgets.visibility import visible_budgets
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import refuse
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput, NotFound
from backend.identity.permissions import require_ledger_writer, require_owner
from backend.scope import Scope

GOALS_BY_DEADLINE = Order((Goal.deadline, Goal.id))
NEWEST_PROGRESS_FIRST = Order((GoalProgress.observed_at, GoalProgress.source), descending=True)
_CLOCKS_DIFFER_BY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class MeasuredGoal:
    """`sources` holds the latest count of each source; `current` is their sum."""

    goal: Goal
    budget: Budget
    current: Decimal
    sources: dict[str, Decimal]
    measures: Measures


async def list_goals(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    budget_id: UUID | None = None,
    type_: str | None = None,
    q: str | None = None,
) -> Sequence[Goal]:
    """Those of the budgets that the caller sees."""
    statement = select(Goal).where(_visible(scope))
    if budget_id is not None:
        await get_budget(session, scope, budget_id)
        statement = statement.where(Goal.budget_id == budget_id)
    if type_ is not None:
        statement = statement.where(Goal.type == type_)
    if q:
        statement = statement.where(Goal.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, GOALS_BY_DEADLINE, window))).all()


async def get_goal(
    session: AsyncSession, scope: Scope, goal_id: UUID, *, lock: bool = False
) -> Goal:
    statement = select(Goal).where(_visible(scope), Goal.id == goal_id)
    goal = await session.scalar(locked(statement) if lock else statement)
    if goal is None:
        raise NotFound("There is no such goal.")
    return goal


async def create_goal(session: AsyncSession, scope: Scope, values: dict[str, Any]) -> Goal:
    """Without `starts_on` it is the budget's first day."""
    require_ledger_writer(scope)
    refuse(await unknown_budgets(session, scope, [("#/budget_id", values["budget_id"])]))
    budget = await get_budget(session, scope, values["budget_id"])
    require_owner(scope, budget.owner_id)
    values = dict(values)
    if values.get("starts_on") is None:
        values["starts_on"] = min(budget.starts_on, values["deadline"])
    goal = Goal(organization_id=scope.organization_id, **values)
    _refuse_bad_dates(goal)
    refuse_too_fine(budget.currency, values, _money(goal))
    session.add(goal)
    await session.flush()
    await session.refresh(goal)
    await record(session, scope, "create", "goal", goal.id, after=state_of(goal))
    return goal


async def update_goal(
    session: AsyncSession,
    scope: Scope,
    goal_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Goal:
    """Change what is named; a goal stays with its budget."""
    goal = await _own_goal(session, scope, goal_id, expected)
    budget = await get_budget(session, scope, goal.budget_id)
    before = state_of(goal)
    for name, value in changes.items():
        setattr(goal, name, value)
    _refuse_bad_dates(goal)
    refuse_too_fine(budget.currency, changes, _money(goal))
    await session.flush()
    await session.refresh(goal)
    await record(session, scope, "update", "goal", goal_id, before=before, after=state_of(goal))
    return goal


async def delete_goal(
    session: AsyncSession, scope: Scope, goal_id: UUID, expected: Expected = None
) -> None:
    """With all that was counted towards it."""
    goal = await _own_goal(session, scope, goal_id, expected)
    before = state_of(goal)
    await session.delete(goal)
    await session.flush()
    await record(session, scope, "delete", "goal", goal_id, before=before)


async def record_progress(
    session: AsyncSession,
    scope: Scope,
    goal_id: UUID,
    *,
    source: str,
    value: Decimal,
    observed_at: datetime | None = None,
    note: str | None = None,
) -> Goal:
    """What a source has counted in total up to an instant; said again of the same one, it replaces.

    Whoever may book on the goal's budget may tell it, and so may a machine with such a token.
    """
    require_ledger_writer(scope)
    goal = await get_goal(session, scope, goal_id, lock=True)
    now = datetime.now(UTC)
    if observed_at is not None and observed_at > now + _CLOCKS_DIFFER_BY:
        raise InvalidInput(
            "The value is of the future.",
            errors=[FieldError("#/observed_at", "Must not lie ahead.")],
        )
    told = {
        "organization_id": scope.organization_id,
        "goal_id": goal_id,
        "source": source,
        "observed_at": observed_at or now,
        "value": value,
        "note": note,
        "recorded_by": scope.user_id,
    }
    statement = insert(GoalProgress).values(told)
    keys = ["organization_id", "goal_id", "source", "observed_at"]
    renewed = {name: told[name] for name in ("value", "note", "recorded_by")}
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=keys, set_=renewed | {"recorded_at": func.now()}
        )
    )
    goal.updated_at = func.now()
    await session.flush()
    await session.refresh(goal)
    after = {name: v for name, v in told.items() if name != "organization_id"}
    await record(session, scope, "progress", "goal", goal_id, after=after)
    return goal


async def list_progress(
    session: AsyncSession, scope: Scope, goal_id: UUID, window: Window
) -> Sequence[GoalProgress]:
    await get_goal(session, scope, goal_id)
    statement = select(GoalProgress).where(
        GoalProgress.organization_id == scope.organization_id, GoalProgress.goal_id == goal_id
    )
    return (await session.scalars(windowed(statement, NEWEST_PROGRESS_FIRST, window))).all()


async def measured(
    session: AsyncSession, scope: Scope, goals: Iterable[Goal], today: date
) -> list[MeasuredGoal]:
    """Goals that the caller sees, with the figures of their budgets."""
    goals = list(goals)
    counted = await _counts(session, scope, goals)
    ids = {goal.budget_id for goal in goals}
    statement = select(Budget).where(
        Budget.organization_id == scope.organization_id, Budget.id.in_(ids)
    )
    stand = await standings(session, scope, await session.scalars(statement), today)
    costs = await _spent(session, scope, goals, today)
    found = []
    for goal in goals:
        spent, standing = costs[goal.id], stand[goal.budget_id]
        sources = counted.get(goal.id, {})
        current = sum(sources.values(), Decimal(0))
        facts = Facts(
            target=goal.target,
            current=current,
            starts_on=goal.starts_on,
            deadline=goal.deadline,
            cost=None if spent.unconverted else spent.total,
            left=standing.performance.remaining,
            unit_value=_unit_value(goal),
        )
        measures = measure(facts, today)
        found.append(MeasuredGoal(goal, standing.budget, current, sources, measures))
    return found


async def _spent(
    session: AsyncSession, scope: Scope, goals: Sequence[Goal], today: date
) -> dict[UUID, Spending]:
    """Of each goal's budget in the goal's own days; one query for one goal of every budget."""
    found: dict[UUID, Spending] = {}
    waiting = list(goals)
    while waiting:
        by_budget = {goal.budget_id: goal for goal in waiting}
        periods = {n: Period(goal.starts_on, goal.deadline) for n, goal in by_budget.items()}
        spent = await spending(session, scope.organization_id, periods, today)
        found |= {goal.id: spent[n] for n, goal in by_budget.items()}
        waiting = [goal for goal in waiting if goal.id not in found]
    return found


def _money(goal: Goal) -> tuple[str, ...]:
    """Which of its values are in the budget's currency."""
    return ("unit_value", "target") if goal.type == GoalType.REVENUE else ("unit_value",)


def _unit_value(goal: Goal) -> Decimal | None:
    """Revenue is counted in money itself."""
    if goal.unit_value is None and goal.type == GoalType.REVENUE:
        return Decimal(1)
    return goal.unit_value


async def _counts(
    session: AsyncSession, scope: Scope, goals: Sequence[Goal]
) -> dict[UUID, dict[str, Decimal]]:
    statement = (
        select(GoalProgress.goal_id, GoalProgress.source, GoalProgress.value)
        .where(
            GoalProgress.organization_id == scope.organization_id,
            GoalProgress.goal_id.in_([goal.id for goal in goals]),
        )
        .ext(distinct_on(GoalProgress.goal_id, GoalProgress.source))
        .order_by(GoalProgress.goal_id, GoalProgress.source, GoalProgress.observed_at.desc())
    )
    counts: dict[UUID, dict[str, Decimal]] = {}
    for row in await session.execute(statement):
        counts.setdefault(row.goal_id, {})[row.source] = row.value
    return counts


async def _own_goal(session: AsyncSession, scope: Scope, goal_id: UUID, expected: Expected) -> Goal:
    require_ledger_writer(scope)
    goal = await get_goal(session, scope, goal_id, lock=True)
    require_owner(scope, (await get_budget(session, scope, goal.budget_id)).owner_id)
    require_version(goal, expected)
    return goal


def _visible(scope: Scope) -> Any:  # noqa: ANN401  # a condition of SQLAlchemy's
    budgets = select(Budget.id).where(visible_budgets(scope))
    return (Goal.organization_id == scope.organization_id) & Goal.budget_id.in_(budgets)


def _refuse_bad_dates(goal: Goal) -> None:
    if goal.starts_on > goal.deadline:
        raise InvalidInput(
            "The goal contradicts itself.",
            errors=[FieldError("#/deadline", "Must not lie before `starts_on`.")],
        )
