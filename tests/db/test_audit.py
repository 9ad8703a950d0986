"""The audit's own promises: entries stay, payloads can go, and every state is told alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import cast, func, null, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backend.audit.models import AuditEntry, AuditPayload
from backend.audit.record import record, record_many
from backend.audit.states import as_json, state_of, stored_states
from backend.budgets.models import Budget
from backend.db.base import Base
from backend.db.engine import organization_session
from backend.ledger.models import Account, Transaction
from backend.scope import Scope
from backend.settings import Settings
from tests import factories

_WITH_PAYLOADS = select(AuditEntry, AuditPayload).join_from(
    AuditEntry, AuditPayload, AuditPayload.entry_id == AuditEntry.id
)


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    return await factories.make_member(engine, await factories.make_organization(engine))


@pytest.fixture
async def recorded(engine: AsyncEngine, owner: Scope) -> Scope:
    """Somebody in whose organization one entry is kept."""
    async with organization_session(engine, owner.organization_id) as session:
        after = {"b": 1, "a": "é"}
        await record(session, owner, "create", "tag", uuid4(), before=None, after=after)
    return owner


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'somebody else'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "UPDATE audit_payloads SET after = NULL",
        "TRUNCATE audit_payloads",
        """INSERT INTO audit_entries
            (actor, action, object_type, object_id, digest, occurred_at)
        VALUES ('x', 'x', 'x', gen_random_uuid(), '', '2001-01-01')""",
    ],
)
async def test_the_application_cannot_rewrite_history(
    engine: AsyncEngine, recorded: Scope, statement: str
) -> None:
    async with organization_session(engine, recorded.organization_id) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text(statement))
        await session.rollback()


@pytest.mark.parametrize(
    "verb", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"]
)
async def test_nor_can_the_owner_of_the_tables(
    settings: Settings, recorded: Scope, verb: str
) -> None:
    engine = create_async_engine(settings.role_url("outlay_owner", driver="asyncpg"))
    async with engine.begin() as connection:
        context = text("SELECT set_config('outlay.organization_id', :id, true)")
        await connection.execute(context, {"id": str(recorded.organization_id)})
        assert (await connection.execute(text(verb))).rowcount == 0
    await engine.dispose()


async def test_an_organization_that_ends_leaves_its_entries(
    settings: Settings, engine: AsyncEngine, recorded: Scope
) -> None:
    async with organization_session(engine, recorded.organization_id) as session:
        await session.execute(text("DELETE FROM organizations"))
        assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 1


async def test_a_payload_can_be_erased_and_the_entry_tells_nothing_then(
    engine: AsyncEngine, recorded: Scope
) -> None:
    async with organization_session(engine, recorded.organization_id) as session:
        entry, payload = (await session.execute(_WITH_PAYLOADS)).one()
        known = b'{"before": null, "after": {"a": "\xc3\xa9", "b": 1}}'
        assert entry.digest == sha256(payload.salt + known).digest()
        assert len(payload.salt) >= 16
        await session.delete(payload)
    async with organization_session(engine, recorded.organization_id) as session:
        kept = (await session.scalars(select(AuditEntry))).one()
        assert kept.digest == entry.digest


async def test_another_organization_neither_reads_nor_writes_entries_here(
    engine: AsyncEngine, recorded: Scope
) -> None:
    other = await factories.make_organization(engine)
    async with organization_session(engine, other) as session:
        for table in (AuditEntry, AuditPayload):
            assert await session.scalar(select(func.count()).select_from(table)) == 0
        await session.execute(text("DELETE FROM audit_payloads"))
    async with organization_session(engine, recorded.organization_id) as session:
        assert await session.scalar(select(func.count()).select_from(AuditPayload)) == 1


async def test_many_changes_are_recorded_at_once(engine: AsyncEngine, owner: Scope) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id)
        for _ in range(20):
            await factories.add_transaction(session, account.id)
        states = select(
            Transaction.id.label("object_id"),
            cast(null(), JSONB).label("before"),
            stored_states(Transaction).label("after"),
        )
        await record_many(session, "system:import", "create", "transaction", states)
    async with organization_session(engine, owner.organization_id) as session:
        rows = (await session.execute(_WITH_PAYLOADS)).all()
        kept = {t.id: state_of(t) for t in await session.scalars(select(Transaction))}
    assert len(rows) == 20
    assert len({payload.salt for _, payload in rows}) == 20
    assert {entry.actor for entry, _ in rows} == {"system:import"}
    assert {e.object_id: p.after for e, p in rows} == {
        identity: json.loads(as_json(state)) for identity, state in kept.items()
    }


async def test_a_state_is_the_same_off_an_object_and_off_its_table(
    engine: AsyncEngine, owner: Scope
) -> None:
    rows: list[Base]
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id, credit_limit=Decimal("1.5"))
        budget = await factories.add_budget(
            session, owner.user_id, archived_at=datetime(2025, 3, 1, tzinfo=UTC)
        )
        deleted = datetime(2025, 3, 1, 1, 2, 3, 450000, tzinfo=UTC)
        transaction = await factories.add_transaction(
            session, account.id, amount=Decimal(7), budget_id=budget.id, deleted_at=deleted
        )
        rows = [account, budget, transaction]
        for model, row in zip((Account, Budget, Transaction), rows, strict=True):
            stored = await session.scalar(select(stored_states(model)))
            assert json.loads(as_json(state_of(row))) == stored


async def test_a_job_answers_for_what_it_does(engine: AsyncEngine, owner: Scope) -> None:
    job = Scope(owner.user_id, owner.organization_id, owner.role, job="recurring")
    async with organization_session(engine, owner.organization_id) as session:
        await record(session, job, "create", "transaction", uuid4(), after={})
        assert await session.scalar(select(AuditEntry.actor)) == "system:recurring"


def test_what_has_no_plain_form_is_refused() -> None:
    for secret in (b"hash", object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            as_json({"x": secret})
