from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus
from backend.jobs.refreshes import request_refresh
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization
from tests.orchestration.runs_in_memory import RunsInMemory


class Pad:
    """A launcher that counts what it launches: no Dagster runs beside these tests."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.turn = asyncio.Lock()
        self.launched = 0
        self.connections_held: list[str] = []
        self._engine = engine

    async def queued_refresh(self, *, full: bool = False) -> UUID | None:
        return None

    async def launch_refresh(self, *, full: bool = False) -> UUID:
        self.launched += 1
        self.connections_held.append(self._engine.pool.status())
        return uuid4()

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        return uuid4()

    async def terminate(self, run_id: UUID) -> None: ...

    async def run_state(self, run_id: UUID) -> RunState:
        return RunState(RefreshStatus.RUNNING)

    async def healthy(self) -> bool:
        return True

    async def aclose(self) -> None: ...


@pytest.fixture
def pad(app: FastAPI) -> Pad:
    pad = Pad(app.state.outlay.engine)
    app.state.outlay = replace(app.state.outlay, launcher=pad)
    return pad


async def test_a_refresh_with_a_key_is_launched_once(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, pad: Pad
) -> None:
    client = act_as(owner)
    key = {"Idempotency-Key": "once"}
    answers = [await client.post("/api/analytics/refresh", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert pad.launched == 1
    [held] = pad.connections_held
    assert "Current Checked out connections: 0" in held  # a slow Dagster must not empty the pool
    [(entry, _)] = await entries_of(engine, owner, answers[0])
    assert (entry.action, entry.object_type) == ("create", "refresh")


async def test_two_tries_at_once_are_answered_alike(act_as: ActAs, owner: Scope, pad: Pad) -> None:
    client = act_as(owner)
    key = {"Idempotency-Key": "once"}
    tries = [client.post("/api/analytics/refresh", headers=key) for _ in range(4)]
    answers = [a for a in await asyncio.gather(*tries) if a.status_code != 409]
    answers.append(await client.post("/api/analytics/refresh", headers=key))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1


async def test_a_launch_cannot_be_tried_dry(act_as: ActAs, owner: Scope, pad: Pad) -> None:
    answer = await act_as(owner).post("/api/analytics/refresh", params={"dry_run": "true"})
    assert_problem(answer, 422, "invalid-input", "dry_run")
    assert pad.launched == 0


async def test_the_list_has_ones_own_or_the_organizations_newest_first(
    act_as: ActAs, app: FastAPI, engine: AsyncEngine, owner: Scope
) -> None:
    runs = RunsInMemory()
    app.state.outlay = replace(app.state.outlay, launcher=runs)
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    stranger = await make_member(engine, await make_organization(engine))
    asked = []
    for scope in (owner, member, owner):
        refresh = await request_refresh(engine, scope, runs)
        runs.states[refresh.run_id] = RunState(RefreshStatus.RUNNING)
        asked.append(refresh)
    runs.states[asked[0].run_id] = RunState(RefreshStatus.SUCCEEDED, generation="done")

    async def ids(scope: Scope, **params: object) -> list[str]:
        answer = await act_as(scope).get("/api/analytics/refreshes", params=params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    newest_first = [str(refresh.id) for refresh in reversed(asked)]
    assert await ids(owner) == newest_first
    assert await ids(member) == [str(asked[1].id)]
    assert await ids(stranger) == []

    first = (await act_as(owner).get("/api/analytics/refreshes", params={"limit": 2})).json()
    assert [item["status"] for item in first["items"]] == ["running", "running"]
    rest = await act_as(owner).get(
        "/api/analytics/refreshes", params={"limit": 2, "cursor": first["next_cursor"]}
    )
    [last] = rest.json()["items"]
    assert (last["id"], last["status"], last["generation"]) == (
        newest_first[-1],
        "succeeded",
        "done",
    )
    assert rest.json()["next_cursor"] is None
    wrong = await act_as(owner).get("/api/analytics/refreshes", params={"cursor": "x"})
    assert_problem(wrong, 422, "invalid-input", "cursor")


async def test_the_list_says_when_dagster_could_not_be_asked(
    act_as: ActAs, app: FastAPI, engine: AsyncEngine, owner: Scope
) -> None:
    runs = RunsInMemory()
    app.state.outlay = replace(app.state.outlay, launcher=runs)
    await request_refresh(engine, owner, runs)
    runs.away = True
    [item] = (await act_as(owner).get("/api/analytics/refreshes")).json()["items"]
    assert item["status"] == "queued"
    assert "last known state" in item["note"]
