"""Listening to a refresh: what is told, to whom, for how long, and at what cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.deps import AppState
from api.event_streams import EventStreams
from api.refresh_events import Listener, refresh_events
from backend.db.engine import organization_session
from backend.identity.models import Member
from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus
from backend.jobs.progress import Progress
from backend.jobs.refreshes import find_refresh, request_refresh
from backend.jobs.watching import RunWatches
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization
from tests.orchestration.runs_in_memory import RunsInMemory

PUBLISHED = RunState(RefreshStatus.SUCCEEDED, generation="20250101T000000Z-00000000")


def running(done: int, step: str | None) -> RunState:
    return RunState(RefreshStatus.RUNNING, progress=Progress(done, 4, step, None))


@pytest.fixture
def runs(app: FastAPI) -> RunsInMemory:
    runs = RunsInMemory()
    app.state.outlay = replace(app.state.outlay, launcher=runs, watches=RunWatches(0))
    return runs


@pytest.fixture
def state(app: FastAPI, runs: RunsInMemory) -> AppState:
    made: AppState = app.state.outlay
    return made


@pytest.fixture
async def asked(engine: AsyncEngine, owner: Scope, runs: RunsInMemory) -> tuple[UUID, UUID]:
    """The ids of a refresh and of its run."""
    refresh = await request_refresh(engine, owner, runs)
    return refresh.id, refresh.run_id


def listen(
    state: AppState, scope: Scope, refresh_id: UUID, **limits: float
) -> AsyncIterator[bytes]:
    async def same() -> Scope:
        return scope

    return refresh_events(state, Listener(scope, same), refresh_id, **limits)


def parsed(event: bytes) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if line)
    return fields | {"data": json.loads(fields["data"])}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def test_every_change_is_told_and_the_end_ends_it(
    state: AppState, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    refresh_id, run_id = asked
    events = listen(state, owner, refresh_id)
    told = []
    for then in (running(0, "Reading PostgreSQL"), running(1, "Building and testing"), PUBLISHED):
        told.append(parsed(await anext(events)))
        runs.states[run_id] = then
    told.extend([parsed(event) async for event in events])

    assert [e["event"] for e in told] == ["progress", "progress", "progress", "finished"]
    assert [e["id"] for e in told] == ["queued", "running-0", "running-1", "succeeded"]
    assert told[1]["data"]["progress"]["step"] == "Reading PostgreSQL"
    assert told[-1]["data"]["generation"] == PUBLISHED.generation
    assert told[-1]["data"]["progress"] is None
    assert int(told[0]["retry"]) > 0
    known = await find_refresh(state.engine, owner, refresh_id)
    assert known.status == RefreshStatus.SUCCEEDED, "what was told is known"


async def test_over_http_who_comes_back_after_the_end_is_told_to_stay_away(
    act_as: ActAs, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    refresh_id, run_id = asked
    runs.states[run_id] = PUBLISHED
    path = f"/api/analytics/refreshes/{refresh_id}/events"
    client = act_as(owner)

    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    event = parsed(answer.content)
    assert event["event"] == "finished"
    assert event["data"] == (await client.get(path.removesuffix("/events"))).json()

    missed = await client.get(path, headers={"Last-Event-ID": "running-1"})
    assert parsed(missed.content) == event, "who missed the end is told it"
    again = await client.get(path, headers={"Last-Event-ID": event["id"]})
    assert (again.status_code, again.content) == (204, b"")


async def test_many_listeners_cost_one_question_at_a_time_and_no_connection(
    state: AppState, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    refresh_id, run_id = asked
    listeners = [listen(state, owner, refresh_id) for _ in range(10)]
    await asyncio.gather(*(anext(events) for events in listeners))
    waiting = [asyncio.ensure_future(anext(events)) for events in listeners]
    before = runs.asked
    await until(lambda: runs.asked >= before + 3)
    assert "Current Checked out connections: 0" in state.engine.pool.status()
    assert runs.asked <= before + 4, "not once for each of them"

    runs.states[run_id] = PUBLISHED
    assert {parsed(event)["event"] for event in await asyncio.gather(*waiting)} == {"finished"}


async def test_when_the_last_listener_has_gone_nobody_asks_any_more(
    state: AppState, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    events = listen(state, owner, asked[0])
    await anext(events)
    waiting = asyncio.ensure_future(anext(events))
    await until(lambda: runs.asked >= 2)
    waiting.cancel()  # as the server does when the connection is closed
    await asyncio.wait([waiting])
    await asyncio.sleep(0)
    before = runs.asked
    for _ in range(10):
        await asyncio.sleep(0)
    assert runs.asked == before


async def test_while_nothing_happens_the_connection_is_kept_alive_up_to_a_time(
    state: AppState, owner: Scope, asked: tuple[UUID, UUID]
) -> None:
    events = listen(state, owner, asked[0], heartbeat_seconds=0.01, longest_seconds=0.2)
    first, *rest = [event async for event in events]
    assert parsed(first)["event"] == "progress"
    assert rest
    assert all(event.startswith(b":") for event in rest), "comments, which clients leave out"


async def test_who_is_no_member_any_more_hears_nothing_more(
    state: AppState, engine: AsyncEngine, owner: Scope, runs: RunsInMemory
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    refresh = await request_refresh(engine, owner, runs)

    async def demoted() -> Scope:
        return replace(owner, user_id=member.user_id, role=Role.MEMBER)

    events = refresh_events(state, Listener(owner, demoted), refresh.id)
    assert [event async for event in events] == []


async def test_while_dagster_is_away_the_last_known_state_is_told_and_the_stream_ends(
    state: AppState, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    events = listen(state, owner, asked[0])
    await anext(events)
    runs.away = True
    [last] = [parsed(event) async for event in events]
    assert last["data"]["status"] == "queued"
    assert "last known state" in last["data"]["note"]


async def test_streams_are_for_those_who_see_the_refresh_and_limited_in_number(
    act_as: ActAs, app: FastAPI, state: AppState, owner: Scope, asked: tuple[UUID, UUID]
) -> None:
    engine = state.engine
    path = f"/api/analytics/refreshes/{asked[0]}/events"
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    stranger = await make_member(engine, await make_organization(engine))
    for scope in (member, stranger):
        assert_problem(await act_as(scope).get(path), 404, "not-found")

    app.state.outlay = replace(state, event_streams=(streams := EventStreams(1)))
    streams.take(owner.user_id)
    refused = await act_as(owner).get(path)
    assert_problem(refused, 429, "too-many-requests")
    assert int(refused.headers["Retry-After"]) > 0
    assert_problem(await act_as(member).get(path), 404, "not-found")


async def test_a_closed_connection_gives_its_place_back(
    app: FastAPI, state: AppState, act_as: ActAs, owner: Scope, asked: tuple[UUID, UUID]
) -> None:
    app.state.outlay = replace(state, event_streams=(streams := EventStreams(1)))
    listening = asyncio.create_task(
        act_as(owner).get(f"/api/analytics/refreshes/{asked[0]}/events")
    )
    await until(lambda: streams.listeners == 1)
    listening.cancel()
    await asyncio.wait([listening])
    assert streams.listeners == 0


async def test_a_role_that_changed_counts_at_the_next_event(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, runs: RunsInMemory, asked: tuple[UUID, UUID]
) -> None:
    """Through the real cache of scopes: an admin who became a member listens to the owner's."""
    admin = await make_member(engine, owner.organization_id, Role.ADMIN)
    listening = asyncio.create_task(
        act_as(admin).get(f"/api/analytics/refreshes/{asked[0]}/events")
    )
    await until(lambda: runs.asked >= 2)
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(
            update(Member).where(Member.user_id == admin.user_id).values(role=Role.MEMBER)
        )
        await session.execute(func.pg_notify("outlay_scope", str(owner.organization_id)).select())
    client, path = act_as(admin), f"/api/analytics/refreshes/{asked[0]}"
    async with asyncio.timeout(30):
        statuses = [200]
        while statuses[-1] != 404:
            statuses.append((await client.get(path)).status_code)
    runs.states[asked[1]] = PUBLISHED
    answer = await listening
    assert answer.text.count("event: progress") == 1
    assert "event: finished" not in answer.text
