"""The schema's own promises: migrations match the models, tenancy holds, trees and rates too."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from alembic import command
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from backend.budgets.models import Budget, BudgetAttribution
from backend.db.engine import organization_session
from backend.db.migrate import alembic_config
from backend.db.migrations.identity import IDENTITY_ONLY
from backend.identity.models import Organization
from backend.ledger.models import Account, Transaction
from backend.scope import Role
from backend.settings import Role as DatabaseRole
from backend.settings import Settings
from tests import factories


async def test_the_migrations_make_what_the_models_say(settings: Settings) -> None:
    url = settings.role_url("outlay_owner", driver="asyncpg")
    await asyncio.to_thread(command.check, alembic_config(url))


async def test_every_table_is_behind_the_wall(settings: Settings) -> None:
    engine = create_async_engine(settings.admin_url().set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                """
                SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS walled,
                       array_agg(p.polname::text) FILTER (WHERE p.polname IS NOT NULL) AS policies
                FROM pg_class c
                LEFT JOIN pg_policy p ON p.polrelid = c.oid
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                  AND c.relname <> 'alembic_version'
                GROUP BY c.oid
                """
            )
        )
        tables = {r.relname: r for r in rows}
    await engine.dispose()
    assert len(tables) >= 20
    for name, table in tables.items():
        assert table.walled, name
        if name in IDENTITY_ONLY:
            assert table.policies == ["identity"], name
        else:
            assert {"tenant", "extract"} <= set(table.policies), name


async def test_without_a_context_the_application_sees_and_writes_nothing(
    engine: AsyncEngine,
) -> None:
    organization = await factories.make_organization(engine)
    owner = await factories.make_member(engine, organization)
    async with organization_session(engine, organization) as session:
        await factories.add_account(session, owner.user_id)
    async with engine.connect() as connection:
        for table in ("organizations", "users", "members", "accounts"):
            columns = "id, email, name" if table == "users" else "*"
            rows = await connection.execute(text(f"SELECT {columns} FROM {table}"))
            assert rows.all() == [], table
    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError):
            await factories.add_tag(session, organization_id=organization)


async def test_another_organizations_rows_can_be_neither_read_nor_referenced(
    engine: AsyncEngine,
) -> None:
    ours, theirs = [await factories.make_organization(engine) for _ in range(2)]
    their_owner = await factories.make_member(engine, theirs)
    our_owner = await factories.make_member(engine, ours)
    async with organization_session(engine, theirs) as session:
        their_account = await factories.add_account(session, their_owner.user_id)
    async with organization_session(engine, ours) as session:
        assert (await session.scalars(select(Account))).all() == []
        assert len((await session.scalars(select(Organization))).all()) == 1
    async with organization_session(engine, ours) as session:
        with pytest.raises(IntegrityError):
            await factories.add_transaction(session, their_account.id)
        await session.rollback()
    async with AsyncSession(engine) as session:
        await session.execute(
            text("SELECT set_config('outlay.organization_id', :id, true)"), {"id": str(ours)}
        )
        with pytest.raises(IntegrityError):
            await factories.add_account(session, their_owner.user_id)
    async with AsyncSession(engine) as session:
        await session.execute(
            text("SELECT set_config('outlay.organization_id', :id, true)"), {"id": str(ours)}
        )
        with pytest.raises(DBAPIError, match="row-level security"):
            await factories.add_account(session, our_owner.user_id, organization_id=theirs)


@pytest.mark.parametrize(("role", "rows"), [("outlay_owner", 0), ("outlay_extract", 1)])
async def test_the_owner_reads_nothing_and_the_extract_writes_nothing(
    settings: Settings, engine: AsyncEngine, role: DatabaseRole, rows: int
) -> None:
    await factories.make_organization(engine)
    other = create_async_engine(settings.role_url(role, driver="asyncpg"))
    async with other.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM organizations")) == rows
        if role == "outlay_extract":
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text("UPDATE organizations SET name = 'x'"))
    await other.dispose()


async def test_passwords_are_out_of_reach_of_the_application(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    await factories.make_member(engine, organization, password_hash="secret")
    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text("SELECT password_hash FROM users"))


@pytest.mark.parametrize("role", ["outlay_app", "outlay_extract", "outlay_owner"])
@pytest.mark.parametrize("table", IDENTITY_ONLY)
async def test_what_opens_doors_is_out_of_everybodys_reach(
    settings: Settings, role: DatabaseRole, table: str
) -> None:
    """The owner's privileges are no use to them: policies are forced on them too."""
    engine = create_async_engine(settings.admin_url().set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO login_attempts (key, attempts, ends_at) VALUES ('x', 1, now())")
        )
    await engine.dispose()
    other = create_async_engine(settings.role_url(role, driver="asyncpg"))
    async with other.connect() as connection:
        if role == "outlay_owner":
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        else:
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text(f"SELECT * FROM {table}"))
    await other.dispose()


async def _roots(session: AsyncSession) -> dict[str, UUID]:
    return dict((await session.execute(select(Budget.name, Budget.root_id))).all())


async def test_moving_a_budget_carries_its_subtree_and_its_attributions(
    engine: AsyncEngine,
) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization, Role.OWNER)).user_id
    async with organization_session(engine, organization) as session:
        first = await factories.add_budget(session, owner, name="first")
        second = await factories.add_budget(session, owner, name="second")
        child = await factories.add_budget(session, owner, name="child", parent_id=first.id)
        leaf = await factories.add_budget(session, owner, name="leaf", parent_id=child.id)
        account = await factories.add_account(session, owner)
        await factories.add_transaction(session, account.id, budget_id=leaf.id)
        assert await _roots(session) == {
            "first": first.id,
            "second": second.id,
            "child": first.id,
            "leaf": first.id,
        }
    async with organization_session(engine, organization) as session:
        (await session.get_one(Budget, (organization, child.id))).parent_id = second.id
    async with organization_session(engine, organization) as session:
        assert await _roots(session) == {
            "first": first.id,
            "second": second.id,
            "child": second.id,
            "leaf": second.id,
        }
        assert await session.scalar(select(BudgetAttribution.root_id)) == second.id
    with pytest.raises(IntegrityError, match="under itself"):
        async with organization_session(engine, organization) as session:
            (await session.get_one(Budget, (organization, second.id))).parent_id = leaf.id


async def test_what_is_booked_below_a_moving_budget_follows_it(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        target = await factories.add_budget(session, owner, name="target")
        moving = await factories.add_budget(session, owner, name="moving")
        leaf = await factories.add_budget(session, owner, name="leaf", parent_id=moving.id)
        account = await factories.add_account(session, owner)

    async def move() -> None:
        async with organization_session(engine, organization) as session:
            (await session.get_one(Budget, (organization, moving.id))).parent_id = target.id

    async def book() -> None:
        async with organization_session(engine, organization) as session:
            await factories.add_budget(session, owner, parent_id=leaf.id)
            await factories.add_transaction(session, account.id, budget_id=leaf.id)

    await asyncio.gather(*(book() for _ in range(4)), move(), *(book() for _ in range(4)))
    async with organization_session(engine, organization) as session:
        assert set((await session.scalars(select(Budget.root_id))).all()) == {target.id}
        roots = (await session.scalars(select(BudgetAttribution.root_id))).all()
        assert roots == [target.id] * 8


async def test_a_deleted_transaction_gives_its_external_id_back(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        account = await factories.add_account(session, owner)
        deleted = await factories.add_transaction(session, account.id, external_id="imp-1")
        await session.execute(
            text("UPDATE transactions SET deleted_at = now() WHERE id = :id"), {"id": deleted.id}
        )
        await factories.add_transaction(session, account.id, external_id="imp-1")


async def _lines(session: AsyncSession) -> dict[UUID, UUID]:
    rows = await session.execute(select(BudgetAttribution.line_id, BudgetAttribution.budget_id))
    return dict(rows.all())


async def test_attributions_follow_every_kind_of_change(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization)).user_id
    async with organization_session(engine, organization) as session:
        food, home = [await factories.add_budget(session, owner) for _ in range(2)]
        account = await factories.add_account(session, owner)
        whole = await factories.add_transaction(session, account.id, budget_id=food.id)
        await factories.add_transaction(session, account.id, kind="income", budget_id=food.id)
        assert await _lines(session) == {whole.id: food.id}

        part = await factories.add_split(session, whole.id, Decimal(4), budget_id=home.id)
        rest = await factories.add_split(session, whole.id, Decimal(6))
        assert await _lines(session) == {part.id: home.id, rest.id: food.id}

        await session.delete(part)
        await session.delete(rest)
        await session.flush()
        assert await _lines(session) == {whole.id: food.id}

        whole.budget_id = home.id
        await session.flush()
        assert await _lines(session) == {whole.id: home.id}

        await session.execute(
            text("UPDATE transactions SET deleted_at = now() WHERE id = :id"), {"id": whole.id}
        )
        assert await _lines(session) == {}


@pytest.mark.parametrize(
    ("source", "target", "on", "rate"),
    [
        ("EUR", "EUR", date(2025, 1, 10), Decimal(1)),
        ("EUR", "USD", date(2025, 1, 10), Decimal("1.1")),
        ("EUR", "USD", date(2025, 1, 17), Decimal("1.1")),
        ("EUR", "USD", date(2025, 1, 18), None),  # older than seven days
        ("EUR", "USD", date(2025, 1, 9), None),  # eight days after the one before
        ("USD", "EUR", date(2025, 1, 10), Decimal("0.9090909091")),
        ("GBP", "USD", date(2025, 1, 12), Decimal("1.375")),
        ("JPY", "USD", date(2025, 1, 10), None),
    ],
)
async def test_a_rate_is_the_latest_of_the_last_seven_days(
    engine: AsyncEngine, source: str, target: str, on: date, rate: Decimal | None
) -> None:
    organization = await factories.make_organization(engine)
    async with organization_session(engine, organization) as session:
        await factories.add_rate(session, "EUR", "USD", date(2025, 1, 1), Decimal("1.5"))
        await factories.add_rate(session, "EUR", "USD", date(2025, 1, 10), Decimal("1.1"))
        await factories.add_rate(session, "EUR", "GBP", date(2025, 1, 10), Decimal("0.8"))
        found = await session.scalar(select(func.fx_rate(organization, source, target, on)))
    assert found == rate


async def test_every_write_marks_the_row_with_its_transaction(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization)).user_id
    read = text("SELECT changed_xid::text FROM transactions")
    async with organization_session(engine, organization) as session:
        account = await factories.add_account(session, owner)
        row = await factories.add_transaction(session, account.id)
        written = int(await session.scalar(read))
    async with organization_session(engine, organization) as session:
        (await session.get_one(Transaction, (organization, row.id))).description = "changed"
        await session.flush()
        assert int(await session.scalar(read)) > written


async def test_an_unknown_parent_is_refused(engine: AsyncEngine) -> None:
    organization = await factories.make_organization(engine)
    owner = (await factories.make_member(engine, organization)).user_id
    with pytest.raises(IntegrityError, match="parent_id"):
        async with organization_session(engine, organization) as session:
            await factories.add_budget(session, owner, parent_id=uuid4())
