"""Asking for a refresh: who may, who shares a run, and what is told while Dagster is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.errors import Forbidden, NotFound, Unavailable
from backend.identity.tokens import issue_access_token
from backend.jobs.launcher import DagsterLauncher, RunState
from backend.jobs.models import Refresh, RefreshStatus
from backend.jobs.refreshes import KnownRefresh, get_refresh, request_refresh
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.factories import make_member, make_organization


@dataclass
class RunsInMemory:
    """A launcher whose runs only move when a test moves them."""

    states: dict[UUID, RunState] = field(default_factory=dict)
    away: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def queued_refresh(self) -> UUID | None:
        self._answer()
        await asyncio.sleep(0)  # let another request in between
        queued = (r for r, s in self.states.items() if s.status is RefreshStatus.QUEUED)
        return next(queued, None)

    async def launch_refresh(self) -> UUID:
        self._answer()
        self.states[run_id := uuid4()] = RunState(RefreshStatus.QUEUED)
        return run_id

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        raise NotImplementedError

    async def terminate(self, run_id: UUID) -> None:
        raise NotImplementedError

    async def run_state(self, run_id: UUID) -> RunState:
        self._answer()
        return self.states[run_id]

    async def healthy(self) -> bool:
        return not self.away

    async def aclose(self) -> None:
        return None

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Dagster cannot be reached.")


@pytest.fixture
def runs() -> RunsInMemory:
    return RunsInMemory()


async def _ask(engine: AsyncEngine, scope: Scope, runs: RunsInMemory) -> Refresh:
    return await request_refresh(engine, scope, runs)


async def _look(engine: AsyncEngine, scope: Scope, id_: UUID, runs: RunsInMemory) -> KnownRefresh:
    return await get_refresh(engine, scope, id_, runs)


async def test_a_request_is_followed_to_its_generation(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    owner = await make_member(engine, await make_organization(engine))

    asked = await _ask(engine, owner, runs)
    assert asked.status == RefreshStatus.QUEUED
    assert asked.requested_by == owner.user_id

    runs.states[asked.run_id] = RunState(RefreshStatus.SUCCEEDED, generation="20250101T000000Z-0")
    done = await _look(engine, owner, asked.id, runs)
    assert (done.refresh.status, done.refresh.generation) == ("succeeded", "20250101T000000Z-0")

    runs.away = True
    assert (await _look(engine, owner, asked.id, runs)).note is None, "what has ended is known"


async def test_requests_share_the_run_that_waits_and_never_the_one_that_runs(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    one = await make_member(engine, await make_organization(engine))
    other = await make_member(engine, await make_organization(engine))

    asked = await asyncio.gather(*(_ask(engine, scope, runs) for scope in (one, other) * 3))
    assert {refresh.run_id for refresh in asked} == set(runs.states)
    assert len(runs.states) == 1
    assert len({refresh.id for refresh in asked}) == 6

    runs.states[asked[0].run_id] = RunState(RefreshStatus.RUNNING)
    later = await _ask(engine, one, runs)
    assert later.run_id != asked[0].run_id, "its snapshot may have been taken already"


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_but_a_viewer_may_ask(
    engine: AsyncEngine, runs: RunsInMemory, role: Role
) -> None:
    scope = await make_member(engine, await make_organization(engine), role)

    if role is Role.VIEWER:
        with pytest.raises(Forbidden):
            await _ask(engine, scope, runs)
    else:
        await _ask(engine, scope, runs)
        with pytest.raises(Forbidden):
            await _ask(engine, replace(scope, read_only=True), runs)
    assert len(runs.states) == (role is not Role.VIEWER)


async def test_a_refresh_of_somebody_else_is_as_unknown_as_none(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    organization = await make_organization(engine)
    owner = await make_member(engine, organization)
    member = await make_member(engine, organization, Role.MEMBER)
    stranger = await make_member(engine, await make_organization(engine))
    owners = await _ask(engine, owner, runs)
    members = await _ask(engine, member, runs)

    assert (await _look(engine, owner, members.id, runs)).refresh.id == members.id
    for scope, unseen in ((stranger, owners.id), (member, owners.id), (owner, uuid4())):
        with pytest.raises(NotFound, match=f"There is no refresh {unseen}"):
            await _look(engine, scope, unseen, runs)


async def test_while_dagster_is_away_the_last_known_state_is_told(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    owner = await make_member(engine, await make_organization(engine))
    asked = await _ask(engine, owner, runs)
    runs.states[asked.run_id] = RunState(RefreshStatus.RUNNING)
    await _look(engine, owner, asked.id, runs)
    runs.away = True

    known = await _look(engine, owner, asked.id, runs)

    assert known.refresh.status == RefreshStatus.RUNNING
    assert known.note is not None
    assert "last known state" in known.note
    with pytest.raises(Unavailable):
        await _ask(engine, owner, runs)


async def test_who_waits_too_long_for_their_turn_is_told_to_come_back(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    owner = await make_member(engine, await make_organization(engine))

    async with runs.turn:
        with pytest.raises(Unavailable) as raised:
            await request_refresh(engine, owner, runs, patience_seconds=0.01)

    assert raised.value.retry_after_seconds
    assert not runs.states
    assert (await _ask(engine, owner, runs)).run_id in runs.states


async def test_what_has_ended_is_not_undone_by_an_answer_that_was_late(
    engine: AsyncEngine, runs: RunsInMemory
) -> None:
    owner = await make_member(engine, await make_organization(engine))
    asked = await _ask(engine, owner, runs)

    class Late(RunsInMemory):
        """While its answer is on the way, the run ends and somebody else is told so."""

        async def run_state(self, run_id: UUID) -> RunState:
            runs.states[run_id] = RunState(RefreshStatus.SUCCEEDED)
            await _look(engine, owner, asked.id, runs)
            return RunState(RefreshStatus.RUNNING)

    known = await _look(engine, owner, asked.id, Late())

    assert known.refresh.status == RefreshStatus.SUCCEEDED


async def test_a_dagster_that_hangs_holds_up_nobody_else(
    settings: Settings, engine: AsyncEngine
) -> None:
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        while await reader.read(2**16):  # until the caller gives up
            pass
        writer.close()

    async def headers() -> dict[str, str]:
        member = await make_member(engine, await make_organization(engine))
        token = issue_access_token(settings, member.user_id, member.organization_id)
        return {"Authorization": f"Bearer {token}"}

    asking, reading = await headers(), await headers()
    dagster = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = dagster.sockets[0].getsockname()[1]
    app = create_app(settings.model_copy(update={"dagster_url": f"http://127.0.0.1:{port}"}))
    async with (
        dagster,
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        requests = [
            asyncio.create_task(client.post("/api/analytics/refresh", headers=asking))
            for _ in range(40)
        ]
        await asked.wait()

        answer = await client.get("/api/tags", headers=reading)

        assert answer.status_code == 200
        assert not any(request.done() for request in requests), "nobody had to give way first"
        for request in requests:
            request.cancel()
        await asyncio.wait(requests)


@asynccontextmanager
async def _server(answer: bytes | None) -> AsyncIterator[str]:
    """Something that listens and answers `answer`, or nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()  # until the caller gives up
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"


def _http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "did not answer in time"),
        (_http("500 Oops", "Traceback: secret"), "answered with status 500"),
        (_http("200 OK", "<html>"), "something else than JSON"),
        (_http("200 OK", '{"errors": [{"message": "secret"}]}'), "refused the request"),
        (
            _http("200 OK", '{"data": {"launchPipelineExecution": {"__typename": "PythonError"}}}'),
            "answered with PythonError",
        ),
    ],
)
async def test_a_dagster_that_does_not_work_is_unavailable_with_a_reason(
    answer: bytes | None, reason: str
) -> None:
    async with _server(answer) as url:
        launcher = DagsterLauncher(url, timeout_seconds=0.2)
        try:
            with pytest.raises(Unavailable, match=reason) as raised:
                await launcher.launch_refresh()
            assert raised.value.retry_after_seconds
            assert "secret" not in raised.value.detail
            assert not await launcher.healthy()
        finally:
            await launcher.aclose()


async def test_a_dagster_that_is_not_there_is_unavailable() -> None:
    async with _server(None) as url:
        pass  # it has stopped listening
    launcher = DagsterLauncher(url)
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await launcher.run_state(uuid4())
    finally:
        await launcher.aclose()
