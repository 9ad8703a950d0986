from __future__ import annotations

import json
import logging

import httpx
import pytest
from fastapi import FastAPI

from api.observability import configure_logging
from backend.scope import Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.warehouse.hand_made import publish_hand_made


async def test_the_process_is_alive_without_anything_else(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/healthz")
    head = await stranger.head("/healthz")  # some probes ask for no more
    assert (head.status_code, head.content) == (200, b"")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_not_ready_without_a_generation(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/readyz")
    detail = assert_problem(answer, 503, "unavailable")
    assert "POST /api/analytics/refresh" in detail
    checks = answer.json()["checks"]
    assert checks["database"]["ok"] is True
    assert checks["warehouse"]["ok"] is False


async def test_ready_when_postgresql_and_the_marts_answer(
    stranger: httpx.AsyncClient, settings: Settings
) -> None:
    generation = publish_hand_made(settings.warehouse_dir)
    answer = await stranger.get("/readyz")
    assert answer.status_code == 200, answer.text
    ready = answer.json()
    assert ready["status"] == "ready"
    assert {name: check["ok"] for name, check in ready["checks"].items()} == {
        "database": True,
        "warehouse": True,
    }
    assert generation.id in ready["checks"]["warehouse"]["detail"]
    assert all(check["duration_ms"] > 0 for check in ready["checks"].values())


async def test_not_ready_with_a_damaged_generation(
    stranger: httpx.AsyncClient, settings: Settings
) -> None:
    generation = publish_hand_made(settings.warehouse_dir)
    (settings.warehouse_dir / generation.id / "outlay.duckdb").write_bytes(b"x" * 4096)
    answer = await stranger.get("/readyz")
    assert_problem(answer, 503, "unavailable")
    assert answer.json()["checks"]["warehouse"]["ok"] is False


async def test_requests_are_counted_by_route_and_not_by_id(
    stranger: httpx.AsyncClient, act_as: ActAs, owner: Scope, settings: Settings
) -> None:
    publish_hand_made(settings.warehouse_dir)
    identity = "00000000-0000-0000-0000-000000000000"
    await act_as(owner).get(f"/api/tags/{identity}")
    await stranger.get("/nothing/here")
    text = (await stranger.get("/metrics")).text
    counted = 'outlay_http_requests_total{method="GET",route="/api/tags/{tag_id}",status="404"} 1.0'
    assert counted in text
    assert 'route="(none)",status="404"} 1.0' in text
    assert identity not in text
    [age] = [line for line in text.splitlines() if line.startswith("outlay_generation_age_seconds")]
    assert float(age.split()[1]) > 0


async def test_every_answer_carries_a_request_id(stranger: httpx.AsyncClient) -> None:
    async def request_id(path: str, given: str | None = None) -> str:
        headers = {} if given is None else {b"X-Request-Id": given.encode("latin-1")}
        return str((await stranger.get(path, headers=headers)).headers["x-request-id"])

    assert await request_id("/healthz") != await request_id("/healthz")
    assert await request_id("/nothing", "from-the-proxy_1.2:3") == "from-the-proxy_1.2:3"
    for hostile in ('"} injected', "x" * 101, "é"):
        assert await request_id("/api/me", hostile) != hostile


async def test_a_request_is_one_line_of_json(
    act_as: ActAs, owner: Scope, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")  # again, now that standard error is captured
    client = act_as(owner)
    await client.get("/api/tags", params={"q": "private words"}, headers={"X-Request-Id": "r-1"})
    await client.get("/healthz")
    logged = capsys.readouterr().err
    [line] = [json.loads(line) for line in logged.splitlines() if '"request"' in line]
    assert line["request_id"] == "r-1"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/tags", 200)
    assert line["duration_ms"] > 0
    assert line["user_id"] == str(owner.user_id)
    assert line["organization_id"] == str(owner.organization_id)
    assert "private words" not in logged
    assert client.headers["Authorization"].removeprefix("Bearer ") not in logged


async def test_libraries_log_as_json_too(app: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")

    def fail(token: str) -> None:
        raise ValueError(len(token))

    try:
        fail("secret")  # a local of a frame in the traceback
    except ValueError:
        logging.getLogger("some.library").exception("went wrong: %s", "so")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"]) == ("went wrong: so", "error")
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "secret" not in str(line)
