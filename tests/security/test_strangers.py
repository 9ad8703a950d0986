"""Nobody gets anywhere without a token that is good, and learns nothing where none is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from backend.identity.tokens import issue_access_token
from backend.scope import Role
from tests.security.conftest import Callers
from tests.security.entries import Public, at
from tests.security.matrix import ENTRIES, PUBLIC
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SECRET = "a-test-secret-of-at-least-32-bytes"


def _signed(world: World, *, secret: str = _SECRET, typ: str = "at+jwt", **claims: Any) -> str:
    """The owner's access token, but for what is given."""
    owner = world.ours.members[Role.OWNER]
    token = issue_access_token(world.settings, owner.user_id, owner.organization_id)
    whole = jwt.decode(token, options={"verify_signature": False}) | claims
    algorithm = "HS256" if secret else "none"
    return jwt.encode(whole, secret, algorithm=algorithm, headers={"typ": typ})


_PAST = datetime.now(UTC) - timedelta(seconds=1)
_TOKENS: dict[str, Callable[[World], str | None]] = {
    "none": lambda _: None,
    "nonsense": lambda _: "nonsense",
    "no JWT": lambda _: "a.b.c",
    "an unknown API token": lambda _: "outlay_" + "A" * 43,
    "a refresh token": lambda _: "outlayr_" + "A" * 43,
    "expired": lambda world: _signed(world, exp=_PAST),
    "for others": lambda world: _signed(world, aud="another-api"),
    "by others": lambda world: _signed(world, iss="somebody"),
    "of another secret": lambda world: _signed(world, secret="another-secret-of-at-least-32-bytes"),
    "unsigned": lambda world: _signed(world, secret=""),
    "of another type": lambda world: _signed(world, typ="JWT"),
    "of nobody": lambda world: _signed(world, sub=str(uuid4())),
    "of another organization": lambda world: _signed(world, org=str(world.theirs.organization_id)),
    "of an unknown login": lambda world: _signed(world, sid=str(uuid4())),
}


@pytest.mark.parametrize("kind", _TOKENS)
async def test_a_token_that_is_no_good_opens_nothing(
    kind: str, callers: Callers, world: World
) -> None:
    token = _TOKENS[kind](world)
    client = await callers.stranger(token and f"Bearer {token}")
    for entry in ENTRIES:
        answer = await entry.send(client, at(world.ours, entry.places(world.ours)[0]))
        assert answer.status_code == 401, (str(entry), answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_good_token_opens_nothing_under_another_scheme(
    callers: Callers, world: World
) -> None:
    client = await callers.stranger(f"Basic {world.ours.tokens['admin']}")
    for entry in ENTRIES:
        answer = await entry.send(client, at(world.ours, entry.places(world.ours)[0]))
        assert answer.status_code == 401, (str(entry), answer.text)


@pytest.mark.parametrize("public", PUBLIC, ids=str)
async def test_what_is_open_tells_a_stranger_nothing(
    public: Public, callers: Callers, world: World
) -> None:
    """The client itself fails when an answer holds anything of either organization."""
    client = await callers.stranger()
    answer = await client.request(public.method, public.path, json=public.body)
    assert answer.status_code == public.status, answer.text


@pytest.mark.parametrize(
    ("path", "secrets"),
    [
        ("/api/auth/token", {"password": "x"}),
        ("/api/auth/password-reset", {}),
        ("/api/auth/register", {"name": "x", "password": "long enough to be taken"}),
    ],
)
async def test_a_stranger_cannot_tell_who_is_here(
    path: str, secrets: dict[str, str], callers: Callers, world: World
) -> None:
    client = await callers.stranger()
    known, unknown = [
        await client.post(path, json={"email": email} | secrets)
        for email in (world.ours.email("owner"), "nobody.at.all@example.com")
    ]
    assert known.status_code == unknown.status_code
    assert known.content == unknown.content


@pytest.mark.parametrize("public", PUBLIC, ids=str)
async def test_what_is_open_does_not_act_for_who_has_a_token(
    public: Public, callers: Callers, world: World
) -> None:
    """With the owner's token too, the secrets in the body decide alone."""
    client = await callers.member(world.ours, Role.OWNER)
    answer = await client.request(public.method, public.path, json=public.body)
    assert answer.status_code == public.status, answer.text
