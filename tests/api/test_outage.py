"""PostgreSQL stops under a running service and comes back; nobody restarts anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from backend.db.engine import create_engine
from backend.identity.tokens import issue_access_token
from tests import server
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization
from tests.warehouse.hand_made import publish_hand_made


@pytest.fixture
def own_server() -> Iterator[tuple[server.Server, str]]:
    """A PostgreSQL that may be stopped without hurting other tests."""
    owned = server.Server()
    yield owned, owned.start()
    owned.stop()


@pytest.fixture
async def client(
    own_server: tuple[server.Server, str], tmp_path: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str], dict[str, str]]]:
    """A client of the service, and the headers of a member of it, twice: two tokens."""
    settings = server.settings_for(tmp_path / "home", await server.clone(own_server[1]))
    publish_hand_made(settings.warehouse_dir)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    owner = await make_member(engine, await make_organization(engine))
    await engine.dispose()
    tokens = [issue_access_token(settings, owner.user_id, owner.organization_id) for _ in range(2)]
    known, unknown = ({"Authorization": f"Bearer {token}"} for token in tokens)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        yield client, known, unknown


async def test_with_postgresql_away(
    own_server: tuple[server.Server, str],
    client: tuple[httpx.AsyncClient, dict[str, str], dict[str, str]],
) -> None:
    postgres = own_server[0].postgres
    http, known, unknown = client
    query = "/api/analytics/datasets/dim_date/query"
    figures = (await http.get(query, headers=known)).json()["rows"]
    assert (await http.post("/api/tags", json={"name": "x"}, headers=known)).status_code == 201

    await asyncio.to_thread(postgres.stop)
    answer = await http.get(query, headers=known)
    assert (answer.status_code, answer.json()["rows"]) == (200, figures)
    login = {"email": "a@example.com", "password": "x"}
    for refused in (
        await http.get(query, headers=unknown),
        await http.get("/api/tags", headers=known),
        await http.post("/api/tags", json={"name": "y"}, headers=known),
        await http.post("/api/auth/token", json=login),
    ):
        assert_problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"] == "5"
    assert (await http.get("/healthz")).status_code == 200
    ready = await http.get("/readyz")
    assert_problem(ready, 503, "unavailable")
    checks = {name: check["ok"] for name, check in ready.json()["checks"].items()}
    assert checks == {"database": False, "warehouse": True}

    await asyncio.to_thread(postgres.start)
    assert (await http.post("/api/tags", json={"name": "y"}, headers=known)).status_code == 201
    assert (await http.get(query, headers=unknown)).status_code == 200
    assert (await http.get("/readyz")).status_code == 200
