"""Many triggers at once: one refresh runs, at most one follows, and no write is missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import dagster as dg
import httpx
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from api.app import create_app
from backend.identity.tokens import issue_access_token
from backend.jobs.launcher import DONE_BY_TAG, FULL_TAG, RunState
from backend.jobs.models import RefreshStatus
from backend.scope import Role, Scope
from backend.settings import Settings
from orchestration.merging import merge_waiting
from tests.factories import make_member, make_organization
from tests.orchestration.runs_in_memory import RunsInMemory

REQUESTS = 20
PROCESSES = 3

_NOWHERE = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=9)  # where a queued run has its code


class Daemon:
    """Takes up the first run at once and reads what is committed then; the others wait for it."""

    def __init__(self, settings: Settings, runs: RunsInMemory) -> None:
        self._engine = create_async_engine(
            settings.role_url("outlay_extract", driver="asyncpg"), pool_size=1
        )
        self._runs = runs
        self.snapshots: dict[UUID, set[str]] = {}

    async def take_up_the_first(self) -> None:
        async with asyncio.timeout(60):
            while (first := next(iter(self._runs.states), None)) is None:  # noqa: ASYNC110  # a fake
                await asyncio.sleep(0)
        await self.take_up(first)

    async def take_up(self, run: UUID) -> None:
        self._runs.states[run] = RunState(RefreshStatus.RUNNING)
        async with self._engine.connect() as connection:
            names = await connection.execute(text("SELECT name FROM tags"))
            self.snapshots[run] = set(names.scalars())

    async def aclose(self) -> None:
        await self._engine.dispose()


@pytest.fixture
async def members(settings: Settings) -> list[Scope]:
    """Of two organizations, a member and an owner each."""
    engine = create_async_engine(settings.role_url("outlay_app", driver="asyncpg"))
    organizations = [await make_organization(engine) for _ in range(2)]
    made = [
        await make_member(engine, organization, role)
        for organization in organizations
        for role in (Role.OWNER, Role.MANAGER)
    ]
    await engine.dispose()
    return made


@pytest.fixture
async def processes(
    settings: Settings,
) -> AsyncIterator[list[tuple[httpx.AsyncClient, RunsInMemory]]]:
    """Instances of the API, each with a launcher of its own, before one Dagster."""
    dagster = RunsInMemory()
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(PROCESSES):
            app = create_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            launcher = RunsInMemory(dagster.states, dagster.full)
            app.state.outlay = replace(app.state.outlay, launcher=launcher)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
            made.append((await stack.enter_async_context(client), launcher))
        yield made


async def test_twenty_requests_become_one_run_and_at_most_one_that_follows(
    settings: Settings,
    processes: list[tuple[httpx.AsyncClient, RunsInMemory]],
    members: list[Scope],
) -> None:
    runs = processes[0][1]
    daemon = Daemon(settings, runs)

    async def write_and_ask(number: int) -> tuple[str, UUID]:
        client, scope = processes[number % PROCESSES][0], members[number % len(members)]
        token = issue_access_token(settings, scope.user_id, scope.organization_id)
        headers = {"Authorization": f"Bearer {token}"}
        name = f"written before {number}"
        written = await client.post("/api/tags", json={"name": name}, headers=headers)
        assert written.status_code == 201, written.text
        asked = await client.post("/api/analytics/refresh", headers=headers)
        assert asked.status_code == 202, asked.text
        return name, UUID(asked.json()["run_id"])

    first = asyncio.create_task(daemon.take_up_the_first())
    answers = await asyncio.gather(*(write_and_ask(number) for number in range(REQUESTS)))
    await first
    for run in runs.states.keys() - daemon.snapshots.keys():
        await daemon.take_up(run)
    await daemon.aclose()

    assert len(runs.states) <= 2
    for name, run in answers:
        assert name in daemon.snapshots[run]


async def test_a_full_refresh_is_shared_by_others_and_satisfied_by_none_but_a_full_one(
    settings: Settings,
    processes: list[tuple[httpx.AsyncClient, RunsInMemory]],
    members: list[Scope],
) -> None:
    client, runs = processes[0]
    token = issue_access_token(settings, members[0].user_id, members[0].organization_id)
    client.headers["Authorization"] = f"Bearer {token}"

    async def ask(body: object = None) -> str:
        answer = await client.post("/api/analytics/refresh", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    ordinary = await ask({"full": False})
    full = await ask({"full": True})
    assert full != ordinary
    assert {str(run) for run in runs.full} == {full}
    assert await ask({"full": True}) == full
    runs.states[UUID(ordinary)] = RunState(RefreshStatus.RUNNING)
    assert await ask({}) == full, "it will have all that is committed now"

    unknown = await client.post("/api/analytics/refresh", json={"fulll": True})
    assert unknown.status_code == 422
    assert "Did you mean 'full'?" in unknown.json()["errors"][0]["detail"]


@dg.op
def nothing() -> None: ...


@dg.job
def refresh() -> None:
    nothing()


@dg.job
def other() -> None:
    nothing()


def _run(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    status: dg.DagsterRunStatus,
    **tags: str,
) -> dg.DagsterRun:
    tags = {name.replace("_", "/"): value for name, value in tags.items()}
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(_NOWHERE, "repository"), job.name)
    return instance.create_run_for_job(job, status=status, tags=tags, remote_job_origin=origin)


@pytest.mark.parametrize("full", [False, True])
def test_a_run_that_begins_does_the_work_of_those_that_wait(*, full: bool) -> None:
    queued, started = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED
    with dg.DagsterInstance.ephemeral() as instance:
        waiting = [
            _run(instance, refresh, queued, outlay_trigger=trigger)
            for trigger in ("api", "changes", "nightly")
        ]
        anew = _run(instance, refresh, queued, outlay_full="true")
        upkeep = _run(instance, other, queued)
        before = _run(instance, refresh, dg.DagsterRunStatus.SUCCESS)
        beginning = _run(instance, refresh, started, **({"outlay_full": "true"} if full else {}))

        merged = merge_waiting(instance, beginning)

        assert set(merged) == {run.run_id for run in waiting} | ({anew.run_id} if full else set())
        for run in instance.get_runs():
            is_merged = run.run_id in merged
            assert (run.status is dg.DagsterRunStatus.CANCELED) is is_merged
            assert run.tags.get(DONE_BY_TAG) == (beginning.run_id if is_merged else None)
        assert {upkeep.run_id, before.run_id}.isdisjoint(merged)
        assert instance.get_run_by_id(anew.run_id).tags[FULL_TAG] == "true"  # type: ignore[union-attr]
        assert merge_waiting(instance, upkeep) == []
