"""Many at once on the same budgets: money is given away once, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from backend.budgets.allocation import Method, allocate
from backend.budgets.models import Budget, BudgetAttribution, BudgetRule
from backend.budgets.reservations import commit, release, reserve
from backend.budgets.rules import Period
from backend.budgets.service import update_budget
from backend.budgets.standing import standing
from backend.budgets.transfers import transfer
from backend.db.engine import organization_session
from backend.errors import Conflict
from backend.scope import Scope
from backend.settings import Settings
from tests import factories

DAY = date(2025, 4, 20)
Act = Callable[[AsyncSession], Awaitable[object]]


@pytest.fixture
async def crowd(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose callers wait for a connection as long as it takes."""
    url = settings.role_url("outlay_app", driver="asyncpg")
    engine = create_async_engine(url, pool_size=20, max_overflow=0, pool_timeout=120)
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    return await factories.make_member(engine, await factories.make_organization(engine))


async def tree(engine: AsyncEngine, owner: Scope, room: int) -> list[Budget]:
    """A top with room for `room`, a middle with more, and two leaves below it."""
    async with organization_session(engine, owner.organization_id) as session:
        top = await factories.add_budget(session, owner.user_id, amount=Decimal(room))
        above, made = top, [top]
        for _ in range(3):
            budget = await factories.add_budget(
                session, owner.user_id, parent_id=above.id, amount=Decimal(10_000)
            )
            made.append(budget)
            above = made[1]
        return made


async def all_at_once(engine: AsyncEngine, scope: Scope, acts: list[Act]) -> list[object]:
    """What each came to: what it answered, or the conflict that refused it."""

    async def run(act: Act) -> object:
        try:
            async with organization_session(engine, scope.organization_id) as session:
                return await act(session)
        except Conflict as conflict:
            return conflict

    return await asyncio.gather(*(run(act) for act in acts))


def reserving(scope: Scope, budget_id: UUID, amount: int) -> Act:
    return lambda session: reserve(
        session, scope, budget_id, amount=Decimal(amount), expected_on=DAY, today=DAY
    )


async def committed(engine: AsyncEngine, scope: Scope, budget: Budget) -> Decimal:
    async with organization_session(engine, scope.organization_id) as session:
        row = await session.get_one(Budget, (scope.organization_id, budget.id))
        return (await standing(session, scope, row, DAY)).spending.committed


async def test_of_200_at_once_with_room_for_one_one_wins(crowd: AsyncEngine, owner: Scope) -> None:
    top, middle, leaf, _ = await tree(crowd, owner, room=100)
    ended = await all_at_once(crowd, owner, [reserving(owner, leaf.id, 100)] * 200)
    assert len([e for e in ended if not isinstance(e, Conflict)]) == 1
    for budget in (top, middle, leaf):
        assert await committed(crowd, owner, budget) == 100


async def test_they_come_from_all_over_the_tree(crowd: AsyncEngine, owner: Scope) -> None:
    budgets = await tree(crowd, owner, room=350)
    acts = [reserving(owner, budgets[n % 4].id, 100) for n in range(60)]
    ended = await all_at_once(crowd, owner, acts)
    assert len([e for e in ended if not isinstance(e, Conflict)]) == 3
    assert await committed(crowd, owner, budgets[0]) == 300


async def test_changes_of_the_tree_and_reservations_take_turns(
    crowd: AsyncEngine, owner: Scope
) -> None:
    top, middle, one, two = await tree(crowd, owner, room=50_000)
    async with organization_session(crowd, owner.organization_id) as session:
        for budget, amount in ((top, 50_000), (middle, 40_000), (one, 10_000), (two, 10_000)):
            await update_budget(session, owner, budget.id, {"amount": Decimal(amount)})

    def moving(source: Budget, target: Budget) -> Act:
        return lambda session: transfer(
            session, owner, source.id, target.id, amount=Decimal(10), on=DAY
        )

    def deciding(budget: Budget, n: int) -> Act:
        async def act(session: AsyncSession) -> None:
            made = await reserve(
                session, owner, budget.id, amount=Decimal(5), expected_on=DAY, today=DAY
            )
            decide = commit if n % 2 else release
            await decide(session, owner, budget.id, made.id)

        return act

    def giving() -> Act:
        return lambda session: allocate(
            session,
            owner,
            middle.id,
            Method.EVENLY,
            on=DAY,
            amount=Decimal(20_000),
            history=Period(DAY, DAY),
        )

    acts: list[Act] = []
    for n in range(15):
        acts += [moving(one, two), moving(two, one), deciding(one, n), deciding(top, n)]
        acts += [reserving(owner, two.id, 5)]
    acts.insert(30, giving())
    ended = await all_at_once(crowd, owner, acts)
    assert [e for e in ended if isinstance(e, Conflict)] == []
    async with organization_session(crowd, owner.organization_id) as session:
        rows = {b.id: b.amount for b in await session.scalars(select(Budget))}
    assert rows[top.id] == 50_000
    assert rows[one.id] + rows[two.id] == 20_000
    # 15 that stay reserved, and of twice 15 the seven that were committed.
    assert await committed(crowd, owner, top) == 15 * 5 + 2 * 7 * 5


async def lock_is(connection: AsyncConnection, state: str) -> None:
    """Until somebody has (`granted`) or waits for (`NOT granted`) an advisory lock here."""
    found = text(
        f"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND {state} "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    while not await connection.scalar(found):
        pass  # each look lets the others go on


async def test_a_rule_and_an_expense_at_once_do_not_miss_each_other(
    crowd: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(crowd, owner.organization_id) as session:
        budget = await factories.add_budget(session, owner.user_id)
        account = await factories.add_account(session, owner.user_id)
    hold = asyncio.Event()

    async def make_rule(session: AsyncSession) -> None:
        session.add(BudgetRule(budget_id=budget.id, account_id=account.id))
        await session.flush()

    async def book(session: AsyncSession) -> None:
        await factories.add_transaction(session, account.id)

    async def run(act: Act, until: asyncio.Event | None = None) -> None:
        async with organization_session(crowd, owner.organization_id) as session:
            await act(session)
            if until is not None:
                await until.wait()

    async with crowd.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for lines, (first, second) in enumerate(((book, make_rule), (make_rule, book)), 1):
            hold.clear()
            earlier = asyncio.create_task(run(first, hold))
            await lock_is(connection, "granted")
            later = asyncio.create_task(run(second))
            await lock_is(connection, "NOT granted")  # it waits for the one not yet committed
            hold.set()
            await asyncio.gather(earlier, later)
            async with organization_session(crowd, owner.organization_id) as session:
                found = (await session.scalars(select(BudgetAttribution))).all()
                assert len(found) == lines
                await session.execute(text("DELETE FROM budget_rules"))


async def test_a_move_waits_for_an_expense_that_is_not_committed(
    crowd: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(crowd, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id)
        budget = await factories.add_budget(session, owner.user_id)
        other = await factories.add_budget(session, owner.user_id)
    hold = asyncio.Event()

    async def book() -> None:
        async with organization_session(crowd, owner.organization_id) as session:
            await factories.add_transaction(session, account.id, budget_id=budget.id)
            await hold.wait()

    async def move() -> None:
        async with organization_session(crowd, owner.organization_id) as session:
            await update_budget(session, owner, budget.id, {"parent_id": other.id})

    async with crowd.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        booking = asyncio.create_task(book())
        await lock_is(connection, "granted")
        moving = asyncio.create_task(move())
        async with asyncio.timeout(20):
            await lock_is(connection, "NOT granted")
        hold.set()
        await asyncio.gather(booking, moving)
    async with organization_session(crowd, owner.organization_id) as session:
        assert (await session.scalars(select(BudgetAttribution.root_id))).all() == [other.id]
