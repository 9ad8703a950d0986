"""A refresh through all that runs in production: API, Dagster's web server, daemon, code server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.analytics.models import Export
from backend.cli.processes import Program, Supervisor
from backend.db.bootstrap import connect
from backend.db.engine import organization_session
from backend.identity.tokens import issue_access_token
from backend.jobs.launcher import DagsterLauncher, RunState
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.generation import resolve
from orchestration.instance import DATABASE_VARIABLE, workspace_path, write_instance
from tests.api.household import ROWS, open_household
from tests.orchestration.small_ledger import add_small_ledger

SCRIPTS = Path(sys.executable).parent
PATIENCE_SECONDS = 120


class Services:
    """Dagster's processes of one instance, started one by one."""

    def __init__(self, settings: Settings, dagster_database: str) -> None:
        self.settings = settings
        self._grpc_port = _free_port()
        variables = write_instance(settings, self._grpc_port)
        url = make_url(variables[DATABASE_VARIABLE]).set(database=dagster_database)
        variables[DATABASE_VARIABLE] = url.render_as_string(hide_password=False)
        self._supervisor = Supervisor(
            settings.home / "processes.json",
            settings.home / "logs",
            os.environ | variables | _variables(settings),
        )
        self.stop = self._supervisor.stop

    def start_code_server(self) -> None:
        self._start(
            "dagster",
            *("api", "grpc", "-m", "orchestration.definitions", "--location-name", "outlay"),
            *("--host", "127.0.0.1", "--port", str(self._grpc_port)),
        )

    def start_webserver(self) -> None:
        self._start("dagster-webserver", "-h", "127.0.0.1", "-p", str(self.settings.dagster_port))

    def start_daemon(self) -> None:
        self._start("dagster-daemon", "run")

    def _start(self, script: str, *arguments: str) -> None:
        workspace = () if "grpc" in arguments else ("-w", str(workspace_path(self.settings)))
        self._supervisor.start(Program(script, [str(SCRIPTS / script), *arguments, *workspace]))


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """With a Dagster database of its own, since its daemon takes up whatever is queued there."""
    name = f"dagster_{uuid4().hex}"
    connection = await connect(settings.admin_url())
    await connection.execute(f'CREATE DATABASE "{name}" OWNER outlay_dagster')
    port = _free_port()
    made = Services(
        settings.model_copy(
            update={"dagster_port": port, "dagster_url": f"http://127.0.0.1:{port}"}
        ),
        name,
    )
    yield made
    await asyncio.to_thread(made.stop)
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@asynccontextmanager
async def _client(settings: Settings, scope: Scope) -> AsyncIterator[httpx.AsyncClient]:
    token = issue_access_token(settings, scope.user_id, scope.organization_id)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://test",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        yield client


async def test_a_refresh_from_the_api_to_a_generation(services: Services) -> None:
    settings = services.settings
    owner = await add_small_ledger(settings)
    async with _client(settings, owner) as client:
        refused = await client.post("/api/analytics/refresh")
        assert refused.status_code == 503
        assert "cannot be reached" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) > 0

        services.start_code_server()
        services.start_webserver()
        await _healthy(settings)
        asked = await client.post("/api/analytics/refresh")
        again = await client.post("/api/analytics/refresh")
        assert asked.status_code == again.status_code == 202
        assert asked.json()["status"] == "queued"
        assert asked.json()["run_id"] == again.json()["run_id"], "nothing has taken it up yet"
        assert asked.headers["Location"] == f"/api/analytics/refreshes/{asked.json()['id']}"

        full = await client.post("/api/analytics/refresh", json={"full": True})
        assert full.json()["run_id"] != asked.json()["run_id"], "that one need not be a full one"
        waiting = (await client.get(full.headers["Location"])).json()
        assert waiting["progress"] == {
            "steps_done": 0,
            "steps_total": 4,
            "step": None,
            "started_at": None,
        }

        services.start_daemon()
        events = await _events(client, asked.headers["Location"])
        assert events[-1]["status"] == "succeeded", events
        steps = [e["progress"]["step"] for e in events if e["progress"]]
        assert "Building and testing the marts" in steps
        done = await _finished(client, full.headers["Location"])
        merged = await _finished(client, again.headers["Location"])
        assert merged["generation"] == done["generation"], "the full one did the work of the other"
        done = await _finished(client, asked.headers["Location"])
        assert done["status"] == "succeeded", done
        assert done["note"] is done["reason"] is None
        current = resolve(settings.warehouse_dir)
        assert current is not None
        assert done["generation"] == current.name

        unfinished = await client.post("/api/analytics/refresh")
        await asyncio.to_thread(services.stop)
        unread = await client.get(unfinished.headers["Location"])
        assert unread.status_code == 200, "the last known state is told"
        assert "cannot be reached" in unread.json()["note"]
        assert (await client.get(asked.headers["Location"])).json() == done


async def test_an_export_from_the_api_to_its_file(services: Services, engine: AsyncEngine) -> None:
    settings = services.settings
    house = await open_household(settings, engine)
    house.publish()
    services.start_code_server()
    services.start_webserver()
    await _healthy(settings)
    async with _client(settings, house.ann) as client:
        body = {"spec": ROWS, "format": "csv"}
        cancelled = await client.post("/api/analytics/exports", json=body)
        assert cancelled.status_code == 202, cancelled.text
        assert (await client.delete(cancelled.headers["Location"])).status_code == 204
        asked = await client.post("/api/analytics/exports", json=body)
        services.start_daemon()
        done = await _finished(client, asked.headers["Location"])
        assert done["status"] == "succeeded", done
        assert done["generation"] == house.current
        fetched = await client.get(str(done["download_url"]))
        assert fetched.status_code == 200
        assert len(fetched.text.splitlines()) == 11
    states = await _states(engine, settings, house.ann)
    assert states == [("cancelled", "cancelled"), ("succeeded", "succeeded")]


async def _states(engine: AsyncEngine, settings: Settings, scope: Scope) -> list[tuple[str, str]]:
    """How each export ended by its record, and its run by Dagster."""
    launcher = DagsterLauncher(settings.dagster_graphql_url)
    try:
        async with organization_session(engine, scope.organization_id) as session:
            exports = (await session.scalars(select(Export).order_by(Export.id))).all()
        found = []
        for export in exports:
            assert export.run_id is not None
            state = await _ended(launcher, export.run_id)
            found.append((str(export.status), str(state.status)))
        return found
    finally:
        await launcher.aclose()


async def _ended(launcher: DagsterLauncher, run_id: UUID) -> RunState:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            state = await launcher.run_state(run_id)
            if state.finished_at is not None:
                return state
            await asyncio.sleep(0.1)


async def _healthy(settings: Settings) -> None:
    launcher = DagsterLauncher(settings.dagster_graphql_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if await launcher.healthy():
                    return
                await asyncio.sleep(0.1)
    finally:
        await launcher.aclose()


async def _finished(client: httpx.AsyncClient, location: str) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer: dict[str, object] = (await client.get(location)).json()
            if answer["finished_at"] is not None:
                return answer
            await asyncio.sleep(0.1)


async def _events(client: httpx.AsyncClient, location: str) -> list[dict[str, Any]]:
    """What the stream tells until it ends."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await client.get(f"{location}/events")
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data:")]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _variables(settings: Settings) -> dict[str, str]:
    assert settings.database_url is not None
    return {
        "OUTLAY_DATABASE_URL": settings.database_url.get_secret_value(),
        "OUTLAY_APP_PASSWORD": settings.secrets.app_password.get_secret_value(),
        "OUTLAY_EXTRACT_PASSWORD": settings.secrets.extract_password.get_secret_value(),
    }
