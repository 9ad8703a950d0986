from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from api.app import create_app
from api.deps import Session
from backend.scope import Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem


async def test_an_unknown_path(stranger: httpx.AsyncClient) -> None:
    for path in ("/", "/api/unknown", "/api/tags/", "/api/tags/x/y", "/api/tags;x"):
        assert_problem(await stranger.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/tags", "GET, POST"),
        ("PUT", "/api/tags/0198f1a2-7d44-7c11-9a2e-1f0c5d3b6a70", "GET, PATCH, DELETE"),
        # No id of a budget, or of an invitation.
        ("PUT", "/api/budgets/summary", "GET"),
        ("DELETE", "/api/invitations/lookup", "POST"),
        ("TRACE", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    stranger: httpx.AsyncClient, *, method: str, path: str, allowed: str
) -> None:
    answer = await stranger.request(method, path)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


async def test_an_id_that_is_none(act_as: ActAs, owner: Scope) -> None:
    for bad in ("1", "%00", "null", "../../etc/passwd%2f", "' OR 1=1 --", "🙂"):
        answer = await act_as(owner).get(f"/api/tags/{bad}")
        assert answer.status_code in {404, 422}
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_is_too_large(act_as: ActAs, owner: Scope) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 2**16

    for body in (b"x" * (2**20 + 1), in_pieces()):
        answer = await act_as(owner).post(
            "/api/tags", content=body, headers={"Content-Type": "application/json"}
        )
        assert_problem(answer, 413, "content-too-large")
        assert answer.headers["x-request-id"]


async def test_a_body_of_another_type(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).post(
        "/api/tags", content="name=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert_problem(answer, 422, "invalid-input", "#")


async def test_a_body_that_is_no_json(act_as: ActAs, owner: Scope) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await act_as(owner).post("/api/tags", content='{"name": ', headers=headers)
    assert_problem(answer, 422, "invalid-input", "#")
    for unreadable in ("[" * 200_000, b'{"name": "\xff"}', b"\xff", '{"\\ud800": 1}'):
        answer = await act_as(owner).post("/api/tags", content=unreadable, headers=headers)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"]


async def test_a_fault_is_told_once(act_as: ActAs, owner: Scope) -> None:
    """Several dependencies read this header."""
    answer = await act_as(owner).post(
        "/api/tags", json={"name": "x"}, headers={"Outlay-Organization": "mine"}
    )
    assert_problem(answer, 422, "invalid-input", "Outlay-Organization")
    assert len(answer.json()["errors"]) == 1


async def test_a_pointer_is_escaped(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).post("/api/tags", json={"name": "x", "a/b~c": 1})
    assert_problem(answer, 422, "invalid-input", "#/a~1b~0c")


async def test_a_date_out_of_range_is_told_as_dates_are_written(
    act_as: ActAs, owner: Scope
) -> None:
    for given, limit in (("1899-12-31", "1900-01-01"), ("2200-01-02", "2200-01-01")):
        answer = await act_as(owner).get("/api/transactions", params={"from_date": given})
        assert_problem(answer, 422, "invalid-input", "from_date")
        assert answer.json()["errors"][0]["detail"].endswith(f"than or equal to {limit}.")


@pytest.fixture
def faulty(app: FastAPI) -> FastAPI:
    """The service with routes that fail in ways that the real ones should not."""
    router = APIRouter()

    @router.get("/fails")
    async def fails() -> None:
        raise RuntimeError("the secret is 42")

    @router.get("/sql")
    async def sql(session: Session, statement: str) -> None:
        await session.execute(text(statement))

    app.include_router(router)
    return app


async def test_a_fault_of_ours_tells_nothing(faulty: FastAPI, stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/fails", headers={"X-Request-Id": "r-1"})
    assert_problem(answer, 500, "internal-error")
    assert answer.headers["x-request-id"] == "r-1"
    assert "42" not in answer.text
    assert "RuntimeError" not in answer.text


@pytest.mark.parametrize(
    ("statement", "status", "slug"),
    [
        ("SELECT 10::int2 * 32767::int2", 422, "invalid-input"),
        ("SELECT 1e20::numeric(18, 4)", 422, "invalid-input"),
        ("INSERT INTO tags (name) VALUES ('a'), ('a')", 409, "conflict"),
        (
            """INSERT INTO accounts (owner_id, name, type, currency)
            VALUES (gen_random_uuid(), 'x', 'bank', 'EUR')""",
            422,
            "invalid-input",
        ),
        (
            """INSERT INTO fx_rates (base_currency, quote_currency, date, rate, source)
            VALUES ('EUR', 'USD', '2025-01-01', -1, 'x')""",
            422,
            "invalid-input",
        ),
        ("INSERT INTO tags (name) VALUES (NULL)", 422, "invalid-input"),
        ("SELECT * FROM secrets", 500, "internal-error"),
        ("SELEKT", 500, "internal-error"),
    ],
)
async def test_what_postgresql_refuses_is_told_without_its_words(
    faulty: FastAPI, act_as: ActAs, owner: Scope, *, statement: str, status: int, slug: str
) -> None:
    answer = await act_as(owner).get("/sql", params={"statement": statement})
    detail = assert_problem(answer, status, slug)
    assert not {"tags", "accounts", "fx_rates", "secrets", "SELEKT"} & set(detail.split())


async def test_browsers_of_the_named_origins_may_call(settings: Settings) -> None:
    chosen = settings.model_copy(update={"cors_origins": ["https://app.example.com"]})
    app = create_app(chosen)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        for origin, allowed in (("https://app.example.com", True), ("https://evil.test", False)):
            asked = await client.options(
                "/api/tags",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "PATCH",
                    "Access-Control-Request-Headers": "authorization,if-match,last-event-id,range",
                },
            )
            assert (asked.status_code == 200) is allowed
            refused = await client.get("/api/tags", headers={"Origin": origin})
            assert refused.status_code == 401
            assert ("access-control-allow-origin" in refused.headers) is allowed
            if allowed:
                exposed = refused.headers["access-control-expose-headers"]
                assert {
                    *("ETag", "Location", "Retry-After", "Outlay-Stale", "X-Request-Id"),
                    *("Content-Disposition", "Content-Range"),
                } <= set(exposed.split(", "))
