"""The job `export`, by real Dagster in this process, on a real PostgreSQL and a real generation."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backend.analytics import export_writing
from backend.analytics.export_access import scope_of_asker
from backend.analytics.export_files import file_of
from backend.analytics.export_run import run_export
from backend.analytics.exports import end_export
from backend.analytics.models import Export, ExportStatus
from backend.analytics.rights import own_things, rights_of
from backend.audit.models import AuditEntry
from backend.db.engine import organization_session
from backend.errors import Forbidden
from backend.identity.models import ApiToken, Member
from backend.identity.service import add_api_token
from backend.jobs.launcher import EXPORT_JOB, EXPORT_OP
from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.formats import Format
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from orchestration.exports import export_job, tidy_exports
from tests.api.household import ROWS, Household, open_household
from tests.factories import add_account, share_account
from tests.warehouse.files import FILES, as_json, as_text, read

GROUPED: dict[str, Any] = {
    "dataset": "fct_transactions",
    "dimensions": [{"column": "booking_date", "grain": "month"}, {"column": "account.name"}],
    "measures": ["total", "average", "events"],
    "totals": {"subtotals": "all"},
}


@pytest.fixture
async def house(settings: Settings, engine: AsyncEngine) -> Household:
    made = await open_household(settings, engine)
    made.publish()
    return made


async def queue(
    engine: AsyncEngine,
    scope: Scope,
    spec: dict[str, Any] = ROWS,
    format_: Format = Format.NDJSON,
    **values: Any,
) -> Export:
    """As the API leaves it when Dagster has been told."""
    async with organization_session(engine, scope.organization_id) as session:
        export = Export(
            requested_by=scope.user_id,
            spec=spec,
            format=format_,
            file_name="x",
            **{"rights": rights_of(scope), **values},
        )
        session.add(export)
        await session.flush()
        await session.refresh(export)
        return export


async def run(settings: Settings, export: Export) -> dg.ExecuteInProcessResult:
    """The job; what it raises is in its result."""
    ids = {"export_id": str(export.id), "organization_id": str(export.organization_id)}
    return await asyncio.to_thread(
        export_job(settings).execute_in_process,
        run_config={"ops": {EXPORT_OP: {"config": ids}}},
        raise_on_error=False,
    )


async def now_of(engine: AsyncEngine, export: Export) -> Export:
    async with organization_session(engine, export.organization_id) as session:
        return await session.get_one(Export, (export.organization_id, export.id))


def path_of(settings: Settings, export: Export) -> Path:
    return file_of(settings.exports_dir, export.organization_id, export.id)


def left_behind(settings: Settings) -> list[Path]:
    return [path for path in settings.exports_dir.rglob("*") if path.is_file()]


async def answer(settings: Settings, scope: Scope, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What the query endpoint would say."""
    warehouse = Warehouse(settings)
    try:
        async with warehouse.snapshot() as snapshot:
            page = await snapshot.rows(QuerySpec.model_validate(spec | {"limit": 10_000}), scope)
            found: list[dict[str, Any]] = json.loads(page.rows)
            return found
    finally:
        warehouse.close()


@pytest.mark.parametrize("spec", [ROWS, GROUPED], ids=["rows", "groups"])
@pytest.mark.parametrize("format_", FILES)
async def test_a_file_holds_what_its_asker_would_be_answered(
    settings: Settings, engine: AsyncEngine, house: Household, spec: dict[str, Any], format_: Format
) -> None:
    for scope in (house.alice, house.ann):
        expected = await answer(settings, scope, spec)
        export = await queue(engine, scope, spec, format_)
        assert (await run(settings, export)).success
        rows = read(format_, path_of(settings, export).read_bytes())
        if format_ in {Format.ARROW, Format.PARQUET}:
            rows = as_json(rows)
        assert rows == (as_text(expected) if format_ is Format.CSV else expected)
        done = await now_of(engine, export)
        assert done.status == ExportStatus.SUCCEEDED
        assert done.rows_written == done.rows_total == len(expected) > 0
        assert done.bytes == path_of(settings, export).stat().st_size


async def test_the_record_says_what_was_done(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    result = await run(settings, export)
    done = await now_of(engine, export)
    assert done.run_id == UUID(result.run_id)
    assert done.generation == house.current
    assert done.as_of is not None
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.expires_at == done.finished_at + timedelta(days=1)
    async with organization_session(engine, house.ann.organization_id) as session:
        [entry] = (
            await session.scalars(select(AuditEntry).where(AuditEntry.object_id == export.id))
        ).all()
    assert (entry.actor, entry.action) == ("system:export", "end")
    events = "\n".join(str(event.message) for event in result.all_events)
    assert "vendor" not in events, "Dagster's log tells nothing of what is in it"


async def test_only_what_is_queued_is_taken_up(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    """As when an operator runs a job again, or one was cancelled before its turn."""
    for status in ExportStatus:
        if status is not ExportStatus.QUEUED:
            export = await queue(engine, house.ann, status=status)
            assert (await run(settings, export)).success
            assert (await now_of(engine, export)).status == status
    unknown = Export(organization_id=house.ann.organization_id, id=uuid4())
    assert (await run(settings, unknown)).success
    assert left_behind(settings) == []


async def test_days_by_name_are_those_of_the_request_and_as_of_is_kept(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    first = house.current
    house.publish("UPDATE marts.fct_transactions SET vendor = 'Later'")
    during = {"field": "booking_date", "op": "during", "value": "this_month"}
    spec = ROWS | {"as_of": first, "filters": [during]}
    asked = datetime(2025, 3, 31, 23, tzinfo=UTC)
    export = await queue(engine, house.ann, spec, created_at=asked)
    assert (await run(settings, export)).success
    [*rows] = read(Format.NDJSON, path_of(settings, export).read_bytes())
    assert {row["vendor"] for row in rows} == {"Vendor 0"}
    assert len(rows) == 2, "March, of Bob and of Alice"
    assert (await now_of(engine, export)).generation == first


async def _in_organization(engine: AsyncEngine, scope: Scope, *statements: Any) -> None:
    async with organization_session(engine, scope.organization_id) as session:
        for statement in statements:
            await session.execute(statement)


def _with_role(role: Role) -> Callable[[Scope], Any]:
    return lambda scope: update(Member).where(Member.user_id == scope.user_id).values(role=role)


@pytest.mark.parametrize(
    ("who", "change", "reason"),
    [
        ("ann", _with_role(Role.MEMBER), "Your role was analyst and is member now"),
        ("ann", _with_role(Role.VIEWER), "Your role is viewer now"),
        ("alice", lambda _: text("DELETE FROM account_shares"), "not shared with you any more"),
    ],
)
async def test_who_may_see_less_by_now_gets_no_file(
    *,
    settings: Settings,
    engine: AsyncEngine,
    house: Household,
    who: str,
    change: Callable[[Scope], Any],
    reason: str,
) -> None:
    async with organization_session(engine, house.bob.organization_id) as session:
        await share_account(session, house.bobs_account, house.alice.user_id)
    alice = replace(house.alice, shared_account_ids=frozenset({house.bobs_account}))
    scope = {"ann": house.ann, "alice": alice}[who]
    export = await queue(engine, scope)
    await _in_organization(engine, scope, change(scope))
    result = await run(settings, export)
    assert not result.success
    failed = await now_of(engine, export)
    assert failed.status == ExportStatus.FAILED
    assert reason in (failed.reason or "")
    assert left_behind(settings) == []
    events = "\n".join(str(event) for event in result.all_events)
    assert reason not in events, "the reason is the asker's"


async def test_who_may_see_more_by_now_gets_what_they_may_see(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.alice)
    await _in_organization(engine, house.alice, _with_role(Role.ANALYST)(house.alice))
    assert (await run(settings, export)).success
    assert (await now_of(engine, export)).rows_written == 10


async def test_who_loses_what_came_to_them_before_it_was_written_gets_no_file(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.alice)
    async with organization_session(engine, house.bob.organization_id) as session:
        await share_account(session, house.bobs_account, house.alice.user_id)
    assert (await run(settings, export)).success
    written = await now_of(engine, export)
    assert written.rows_written == 10  # Bob's too
    assert await scope_of_asker(engine, written, datetime.now(UTC))
    await _in_organization(engine, house.alice, text("DELETE FROM account_shares"))
    with pytest.raises(Forbidden, match="not shared with you any more"):
        await scope_of_asker(engine, written, datetime.now(UTC))


async def test_who_was_promoted_while_it_was_written_and_is_no_more_gets_no_file(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.alice)
    await _in_organization(engine, house.alice, _with_role(Role.ANALYST)(house.alice))
    assert (await run(settings, export)).success
    await _in_organization(engine, house.alice, _with_role(Role.MEMBER)(house.alice))
    with pytest.raises(Forbidden, match="was analyst and is member now"):
        await scope_of_asker(engine, await now_of(engine, export), datetime.now(UTC))


@pytest.mark.parametrize("when", ["before it is written", "afterwards"])
async def test_what_an_asker_has_given_away_is_not_handed_to_them(
    settings: Settings, engine: AsyncEngine, house: Household, when: str
) -> None:
    async with organization_session(engine, house.bob.organization_id) as session:
        account = await add_account(session, house.alice.user_id)
        owned = await own_things(session, house.alice)
    assert owned["own_accounts"] == [str(account.id)]
    export = await queue(engine, house.alice, rights=rights_of(house.alice) | owned)
    give_away = text("UPDATE accounts SET owner_id = :bob WHERE owner_id = :alice").bindparams(
        bob=house.bob.user_id, alice=house.alice.user_id
    )
    if when == "afterwards":
        assert (await run(settings, export)).success
    await _in_organization(engine, house.alice, give_away)
    if when != "afterwards":
        assert not (await run(settings, export)).success
        assert left_behind(settings) == []
    with pytest.raises(Forbidden, match="another member's now"):
        await scope_of_asker(engine, await now_of(engine, export), datetime.now(UTC))
    async with organization_session(engine, house.bob.organization_id) as session:
        await share_account(session, account.id, house.alice.user_id)
    assert await scope_of_asker(engine, await now_of(engine, export), datetime.now(UTC))


async def test_who_was_disabled_gets_no_file(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    admin = create_async_engine(settings.admin_url().set(drivername="postgresql+asyncpg"))
    async with admin.begin() as connection:
        disable = text("UPDATE users SET active = false WHERE id = :id")
        await connection.execute(disable, {"id": house.ann.user_id})
    await admin.dispose()
    await run(settings, export)
    assert "not an active member" in ((await now_of(engine, export)).reason or "")
    assert left_behind(settings) == []


async def test_who_has_left_gets_no_file(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    await _in_organization(
        engine, house.ann, delete(Member).where(Member.user_id == house.ann.user_id)
    )
    assert (await run(settings, export)).success, "there is nothing to do"
    assert left_behind(settings) == []


@pytest.mark.parametrize(
    ("values", "is_good"),
    [
        ({}, True),
        ({"revoked_at": datetime(2025, 1, 1, tzinfo=UTC)}, False),
        ({"expires_at": datetime(2025, 1, 1, tzinfo=UTC)}, False),
        ({"scopes": ["read"]}, False),
    ],
)
async def test_an_api_token_must_still_be_good(
    *,
    settings: Settings,
    engine: AsyncEngine,
    house: Household,
    values: dict[str, Any],
    is_good: bool,
) -> None:
    async with organization_session(engine, house.ann.organization_id) as session:
        token, _ = await add_api_token(
            session, house.ann.user_id, name="x", scopes=["read", "write"], expires_at=None
        )
    export = await queue(engine, house.ann, api_token_id=token.id)
    if values:
        await _in_organization(engine, house.ann, update(ApiToken).values(**values))
    assert (await run(settings, export)).success is is_good
    reason = (await now_of(engine, export)).reason
    assert (reason is None) if is_good else ("API token" in str(reason))


@pytest.mark.parametrize(
    ("changes", "spec", "reason"),
    [
        ({"export_max_rows": 9}, ROWS, "has 10 rows, and at most 9"),
        ({"export_max_bytes": 100}, ROWS, "larger than the 100 bytes"),
        ({}, ROWS | {"fields": ["vendr"]}, "Did you mean 'vendor'"),
        ({}, ROWS | {"dataset": "fct_trnsactions"}, "Did you mean 'fct_transactions'"),
        ({}, {"from": "x"}, "no valid query any more"),
        ({}, ROWS | {"as_of": "20200101T000000Z-00000000"}, "not available any more"),
    ],
)
async def test_what_cannot_be_written_says_why(
    *,
    settings: Settings,
    engine: AsyncEngine,
    house: Household,
    changes: dict[str, Any],
    spec: dict[str, Any],
    reason: str,
) -> None:
    export = await queue(engine, house.ann, spec)
    assert not (await run(settings.model_copy(update=changes), export)).success
    failed = await now_of(engine, export)
    assert failed.status == ExportStatus.FAILED
    assert reason in (failed.reason or "")
    assert left_behind(settings) == []


async def test_without_a_generation_it_fails(settings: Settings, engine: AsyncEngine) -> None:
    house = await open_household(settings, engine)
    export = await queue(engine, house.ann)
    assert not (await run(settings, export)).success
    assert "no generation" in ((await now_of(engine, export)).reason or "")


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every export goes on for ever, one line after the other."""
    finite = export_writing.statement

    def lines(compiled: Any, format_: Format) -> str:
        once = f"SELECT 1 FROM ({finite(compiled, format_)}) LIMIT 1"
        return f"SELECT repeat('x', 99) || chr(10) FROM range(1000000000000), ({once})"

    monkeypatch.setattr(export_writing, "statement", lines)
    monkeypatch.setattr(export_writing, "LOOK_EVERY_SECONDS", 0.02)


@pytest.mark.usefixtures("endless")
async def test_one_that_takes_too_long_is_stopped(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    hurried = settings.model_copy(update={"export_timeout_seconds": 0})
    assert not (await run(hurried, export)).success
    assert "took longer than 0 seconds" in ((await now_of(engine, export)).reason or "")
    assert left_behind(settings) == []


async def test_one_statement_that_takes_too_long_is_stopped(
    settings: Settings, engine: AsyncEngine, house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before there is a single row."""

    def slow(compiled: Any, _: Format) -> str:
        return f"SELECT sum(a.i * b.i) FROM range(10000000) a(i), range(10000000) b(i), ({compiled.sql} LIMIT 1)"  # noqa: E501

    monkeypatch.setattr(export_writing, "statement", slow)
    monkeypatch.setattr(export_writing, "LOOK_EVERY_SECONDS", 0.02)
    export = await queue(engine, house.ann)
    hurried = settings.model_copy(update={"export_timeout_seconds": 0})
    assert not (await run(hurried, export)).success
    assert left_behind(settings) == []


async def _is_writing(engine: AsyncEngine, export: Export) -> Export:
    async with asyncio.timeout(30):
        while True:
            found = await now_of(engine, export)
            if found.bytes > 0:
                return found


@pytest.mark.usefixtures("endless")
async def test_one_that_is_cancelled_ends_and_leaves_nothing(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    running = asyncio.create_task(run_export(settings, export.organization_id, export.id, uuid4()))
    found = await _is_writing(engine, export)
    assert found.status == ExportStatus.RUNNING
    assert found.rows_total == 10
    async with organization_session(engine, house.ann.organization_id) as session:
        await end_export(session, house.ann, export.id, datetime.now(UTC))
    assert await running is ExportStatus.CANCELLED
    assert (await now_of(engine, export)).status == ExportStatus.CANCELLED
    assert left_behind(settings) == []


@pytest.mark.usefixtures("endless")
async def test_one_that_dagster_terminates_leaves_nothing(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann)
    running = asyncio.create_task(run_export(settings, export.organization_id, export.id, uuid4()))
    await _is_writing(engine, export)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left_behind(settings) == []


async def test_a_disk_that_fails_leaves_nothing(
    settings: Settings, engine: AsyncEngine, house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    export = await queue(engine, house.ann)
    assert not (await run(settings, export)).success
    failed = await now_of(engine, export)
    assert failed.status == ExportStatus.FAILED
    assert failed.reason == "It could not be written. The operator's log says why."
    assert left_behind(settings) == []


def _killed_while_writing(settings: Settings, organization_id: UUID, export_id: UUID) -> None:
    append = export_writing.Writing._append

    def append_and_die(self: export_writing.Writing, file: Any, content: bytes) -> None:
        append(self, file, content)
        file.flush()
        if self.rows_total is not None and self.size > 0:
            os.kill(os.getpid(), signal.SIGKILL)

    export_writing.Writing._append = append_and_die  # type: ignore[method-assign]
    asyncio.run(run_export(settings, organization_id, export_id, uuid4()))


async def test_what_a_killed_worker_leaves_is_swept_and_its_record_ends(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    export = await queue(engine, house.ann, format_=Format.CSV)
    ids = (UUID(int=export.organization_id.int), UUID(int=export.id.int))
    worker = multiprocessing.get_context("spawn").Process(
        target=_killed_while_writing, args=(settings, *ids)
    )
    worker.start()
    await asyncio.to_thread(worker.join)
    assert worker.exitcode == -signal.SIGKILL
    [part] = left_behind(settings)
    assert part.suffix == ".part"
    assert not path_of(settings, export).exists()

    later = datetime.now(UTC) + timedelta(hours=2)
    outcome, removed = await tidy_exports(settings, later)
    assert not outcome.failures
    assert sum(outcome.answers.values()) == removed == 1
    ended = await now_of(engine, export)
    assert ended.status == ExportStatus.FAILED
    assert "worker ended" in (ended.reason or "")
    assert left_behind(settings) == []


async def test_the_upkeep_ends_what_is_out_of_time_and_removes_files(
    settings: Settings, engine: AsyncEngine, house: Household
) -> None:
    done, kept = [await queue(engine, house.ann) for _ in range(2)]
    for export in (done, kept):
        assert (await run(settings, export)).success
    waiting = await queue(engine, house.ann)
    now = datetime.now(UTC)
    await _in_organization(
        engine,
        house.ann,
        update(Export).where(Export.id == kept.id).values(expires_at=now + timedelta(days=3)),
    )
    outcome, removed = await tidy_exports(settings, now + timedelta(hours=2))
    assert (sum(outcome.answers.values()), removed) == (0, 0)
    outcome, removed = await tidy_exports(settings, now + timedelta(days=2))
    assert (sum(outcome.answers.values()), removed) == (2, 1)
    assert (await now_of(engine, done)).status == ExportStatus.EXPIRED
    assert (await now_of(engine, waiting)).status == ExportStatus.FAILED
    assert (await now_of(engine, kept)).status == ExportStatus.SUCCEEDED
    assert left_behind(settings) == [path_of(settings, kept)]


async def test_amounts_are_exact(settings: Settings, engine: AsyncEngine, house: Household) -> None:
    house.publish("UPDATE marts.fct_transactions SET amount = 99999999999999.9999")
    spec = {"dataset": "fct_transactions", "measures": ["total"]}
    exact = str(Decimal("99999999999999.9999") * 4)
    for format_ in FILES:
        export = await queue(engine, house.alice, spec, format_)
        assert (await run(settings, export)).success
        rows = read(format_, path_of(settings, export).read_bytes())
        assert exact in {str(row["total"]) for row in rows}


def test_the_job_takes_ids_and_nothing_else(settings: Settings) -> None:
    job = export_job(settings)
    assert job.name == EXPORT_JOB
    with pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(run_config={"ops": {EXPORT_OP: {"config": {"spec": "x"}}}})
