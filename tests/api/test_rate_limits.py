"""How many requests a caller may make, by user and by address."""

from __future__ import annotations

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from api.rate_limit import Buckets, Policy
from backend.db.engine import organization_session
from backend.identity.service import create_api_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.people import bearer, client_from, serving
from tests.api.problem import assert_problem
from tests.factories import make_member


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def token_of(engine: AsyncEngine, scope: Scope) -> str:
    async with organization_session(engine, scope.organization_id) as session:
        return await create_api_token(session, scope.user_id, name="x")


def test_a_bucket_empties_and_fills_again_steadily() -> None:
    watch = Watch()
    buckets = Buckets(Policy("caller", 4, 60), watch)
    left = [buckets.spend("ada") for _ in range(4)]
    assert [allowance.remaining for allowance in left if allowance] == [3, 2, 1, 0]
    assert buckets.spend("ada") is None
    empty = buckets.look("ada")
    assert (empty.remaining, empty.wait, empty.reset) == (0, 15, 60)
    assert buckets.spend("bob") is not None
    watch.seconds = 14.9
    assert buckets.spend("ada") is None
    watch.seconds = 15
    assert buckets.spend("ada") is not None
    assert buckets.spend("ada") is None
    watch.seconds = 10_000
    assert buckets.look("ada").remaining == 4


async def test_every_answer_tells_what_is_left(
    settings: Settings, engine: AsyncEngine, owner: Scope
) -> None:
    token = await token_of(engine, owner)
    async with serving(settings, rate_limit_requests=3, rate_limit_window_seconds=3600) as client:
        client.headers.update(bearer(token))
        good = await client.get("/api/me")
        assert good.headers["ratelimit-policy"] == '"caller";q=3;w=3600'
        assert good.headers["ratelimit"] == '"caller";r=2;t=1200'
        assert (await client.get("/api/tags/x")).headers["ratelimit"].startswith('"caller";r=1')
        assert (await client.get("/api/tags")).headers["ratelimit"].startswith('"caller";r=0')
        refused = await client.get("/api/me")
        assert_problem(refused, 429, "too-many-requests")
        assert 1190 <= int(refused.headers["retry-after"]) <= 1200
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=3')


async def test_a_user_is_one_caller_with_all_their_tokens(
    settings: Settings, engine: AsyncEngine, owner: Scope
) -> None:
    tokens = [await token_of(engine, owner) for _ in range(2)]
    other = await token_of(engine, await make_member(engine, owner.organization_id, Role.VIEWER))
    async with serving(settings, rate_limit_requests=2, rate_limit_window_seconds=3600) as client:
        statuses = [
            (await client.get("/api/me", headers=bearer(token))).status_code
            for token in (*tokens, *tokens, other)
        ]
        assert statuses == [200, 200, 429, 429, 200]


async def test_strangers_are_counted_by_address(
    settings: Settings, engine: AsyncEngine, owner: Scope
) -> None:
    limits = {"rate_limit_anonymous_requests": 4, "rate_limit_window_seconds": 3600}
    good = await token_of(engine, owner)
    async with serving(settings, **limits) as client:
        answers = [
            await client.get("/api/me"),
            await client.get("/api/me", headers=bearer("outlay_" + "x" * 43)),
            await client.post("/api/invitations/accept", json={"token": "x", "password": "x"}),
            await client.post("/api/auth/logout", json={"refresh_token": "x"}),
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 404, 204]
        assert answers[-1].headers["ratelimit"].startswith('"address";r=0')
        for refused in (
            await client.get("/api/me"),
            await client.post("/api/auth/token", json={"email": "x", "password": "x"}),
            await client.get("/api/me", headers=bearer("outlay_" + "y" * 43)),
        ):
            assert_problem(refused, 429, "too-many-requests")
            assert "retry-after" in refused.headers
        # Whoever has a good token does not suffer for others at the same address.
        assert (await client.get("/api/me", headers=bearer(good))).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        app = client._transport.app  # type: ignore[attr-defined]
        async with client_from(app, "10.0.0.2") as elsewhere:
            assert (await elsewhere.get("/api/me")).status_code == 401


async def test_browsers_may_read_what_is_left(settings: Settings) -> None:
    async with serving(settings, cors_origins=["https://books.example"]) as client:
        answer: httpx.Response = await client.get(
            "/api/me", headers={"Origin": "https://books.example"}
        )
        exposed = answer.headers["access-control-expose-headers"]
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed.split(", "))
