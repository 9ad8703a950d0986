"""Tokens of an external identity provider, whose keys are fetched from a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from backend.db.bootstrap import connect
from backend.identity.external import IdentityProvider
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.people import bearer, client_from, email_of, join, log_in, until_refused
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

ISSUER, AUDIENCE = "https://login.example", "outlay"
RSA = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
EC = ec.generate_private_key(ec.SECP256R1())


class Provider:
    """Publishes keys and signs tokens; `fetches` counts how often it was asked for the keys."""

    def __init__(self) -> None:
        self.published: dict[str, Any] = {"first": RSA[0]}
        self.fetches = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches += 1
                body = json.dumps({"keys": outer.keys()}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def keys(self) -> list[dict[str, Any]]:
        made = []
        for kid, key in self.published.items():
            is_rsa = isinstance(key, rsa.RSAPrivateKey)
            algorithm = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
            jwk = algorithm.to_jwk(key.public_key(), as_dict=True)
            name = "RS256" if is_rsa else "ES256"
            made.append(jwk | {"kid": kid, "use": "sig", "alg": name})
        return made

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def sign(
    *, key: Any = RSA[0], kid: str = "first", typ: str | None = "at+jwt", **changes: Any
) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada-at-the-provider",
        "iat": datetime.now(UTC),
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, "typ": typ})


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
async def app(settings: Settings, provider: Provider) -> AsyncIterator[FastAPI]:
    changes = {
        "idp_issuer": ISSUER,
        "idp_audience": AUDIENCE,
        "idp_jwks_url": provider.url,
        "jwt_algorithms": ("HS256", "RS256", "ES256"),
    }
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_from(app, "127.0.0.1") as client:
        yield client


@pytest.fixture
async def email(engine: AsyncEngine, owner: Scope) -> str:
    return await email_of(engine, owner)


async def ask(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    return await client.get("/api/me", headers=bearer(token) | headers)


async def test_a_verified_address_finds_the_user_once_and_the_subject_from_then_on(
    client: httpx.AsyncClient, engine: AsyncEngine, settings: Settings, owner: Scope, email: str
) -> None:
    answers = await asyncio.gather(
        *(ask(client, sign(email=email.upper(), email_verified=True, jti=str(n))) for n in range(5))
    )
    assert {a.json()["user"]["id"] for a in answers} == {str(owner.user_id)}
    other = await make_member(engine, owner.organization_id, Role.VIEWER)
    theirs = {"email": await email_of(engine, other), "email_verified": True}
    for token in (sign(), sign(**theirs)):
        assert (await ask(client, token)).json()["user"]["id"] == str(owner.user_id)
    # An address that changed hands at the provider opens nothing: its user is somebody already.
    stranger = sign(sub="somebody-else", email=email, email_verified=True)
    assert_problem(await ask(client, stranger), 401, "unauthenticated")
    connection = await connect(settings.admin_url())
    entries = await connection.fetch("SELECT action, object_id FROM audit_entries")
    await connection.close()
    assert [tuple(entry) for entry in entries] == [("link", owner.user_id)]


async def test_only_a_verified_address_of_a_user_counts(
    client: httpx.AsyncClient, email: str
) -> None:
    for claims in (
        {},
        {"email": email},
        {"email": email, "email_verified": False},
        {"email": email, "email_verified": "true"},
        {"email": "nobody@example.com", "email_verified": True},
    ):
        assert_problem(await ask(client, sign(**claims)), 401, "unauthenticated")


async def test_an_elliptic_key_serves_too(
    client: httpx.AsyncClient, provider: Provider, owner: Scope, email: str
) -> None:
    provider.published["curve"] = EC
    token = sign(key=EC, kid="curve", email=email, email_verified=True)
    assert (await ask(client, token)).json()["user"]["id"] == str(owner.user_id)


def confused(email: str) -> str:
    """Signed with the public key as if it were a shared secret."""
    public = (
        RSA[0]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    claims = jwt.decode(sign(email=email, email_verified=True), options={"verify_signature": False})
    header = {"kid": "first", "typ": "at+jwt", "alg": "HS256"}
    parts = [jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (header, claims)]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        b".".join(parts), public
    )
    return b".".join([*parts, jwt.utils.base64url_encode(signature)]).decode()


ATTACKS: dict[str, Callable[[str], str]] = {
    "another key": lambda e: sign(key=RSA[1], email=e, email_verified=True),
    "no such key": lambda e: sign(kid="other", email=e, email_verified=True),
    "another audience": lambda e: sign(aud="else", email=e, email_verified=True),
    "no audience": lambda e: sign(aud=None, email=e, email_verified=True),
    "expired": lambda e: sign(
        exp=datetime.now(UTC) - timedelta(seconds=1), email=e, email_verified=True
    ),
    "never expires": lambda e: sign(exp=None, email=e, email_verified=True),
    "an ID token": lambda e: sign(typ="JWT", email=e, email_verified=True),
    "no type": lambda e: sign(typ=None, email=e, email_verified=True),
    "no subject": lambda e: sign(sub=None, email=e, email_verified=True),
    "empty subject": lambda e: sign(sub="", email=e, email_verified=True),
    "our issuer": lambda e: sign(iss="outlay", email=e, email_verified=True),
    "another issuer": lambda e: sign(iss="https://evil.example", email=e, email_verified=True),
    "algorithm confusion": confused,
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_forged_token_is_taken(client: httpx.AsyncClient, email: str, attack: str) -> None:
    assert_problem(await ask(client, ATTACKS[attack](email)), 401, "unauthenticated")
    assert (await ask(client, sign(email=email, email_verified=True))).status_code == 200


async def test_only_algorithms_of_the_settings_are_taken(
    settings: Settings, provider: Provider, email: str
) -> None:
    provider.published["curve"] = EC
    changes = {
        "idp_issuer": ISSUER,
        "idp_audience": AUDIENCE,
        "idp_jwks_url": provider.url,
        "jwt_algorithms": ("HS256", "RS256"),
    }
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app), client_from(app, "127.0.0.1") as client:
        claims = {"email": email, "email_verified": True}
        refused = await ask(client, sign(key=EC, kid="curve", **claims))
        assert_problem(refused, 401, "unauthenticated")
        assert (await ask(client, sign(**claims))).status_code == 200


async def test_keys_are_changed_without_a_restart(
    app: FastAPI, client: httpx.AsyncClient, provider: Provider, email: str
) -> None:
    scopes = app.state.outlay.scopes
    scopes._provider = IdentityProvider(scopes._settings, unknown_key_seconds=0)
    first = sign(email=email, email_verified=True)
    assert (await ask(client, first)).status_code == 200
    provider.published = {"second": RSA[1]}
    second = sign(key=RSA[1], kid="second")
    assert (await ask(client, second)).status_code == 200
    assert_problem(await ask(client, first), 401, "unauthenticated")
    assert provider.fetches == 3


async def test_unknown_keys_do_not_make_us_ask_again_and_again(
    client: httpx.AsyncClient, provider: Provider
) -> None:
    for _ in range(10):
        await ask(client, sign(kid=uuid4().hex))
    assert provider.fetches == 1


async def test_with_the_provider_away_known_keys_serve_and_others_wait(
    client: httpx.AsyncClient, provider: Provider, email: str
) -> None:
    good = sign(email=email, email_verified=True)
    assert (await ask(client, good)).status_code == 200
    provider.stop()
    assert (await ask(client, sign())).status_code == 200


async def test_with_the_provider_never_there_its_users_wait_and_ours_do_not(
    client: httpx.AsyncClient, provider: Provider, settings: Settings, owner: Scope
) -> None:
    from backend.identity.tokens import issue_access_token

    provider.stop()
    refused = await ask(client, sign())
    assert_problem(refused, 503, "unavailable")
    assert refused.headers["retry-after"] == "5"
    own = issue_access_token(settings, owner.user_id, owner.organization_id)
    assert (await ask(client, own)).status_code == 200


async def test_the_header_picks_the_organization(
    client: httpx.AsyncClient, engine: AsyncEngine, owner: Scope, email: str
) -> None:
    second = await make_organization(engine, name="Second")
    await join(engine, owner.user_id, second, Role.VIEWER)
    token = sign(email=email, email_verified=True)
    assert (await ask(client, token)).json()["role"] == "owner"
    there = await ask(client, token, **{"Outlay-Organization": str(second)})
    assert there.json()["organization"]["name"] == "Second"
    foreign = str(await make_organization(engine))
    answer = await ask(client, token, **{"Outlay-Organization": foreign})
    assert_problem(answer, 404, "not-found")


@pytest.mark.parametrize(
    "given",
    [
        {"idp_issuer": ISSUER},
        {"idp_issuer": ISSUER, "idp_audience": "x", "idp_jwks_url": "http://x"},
        {
            "idp_issuer": "outlay",
            "idp_audience": "x",
            "idp_jwks_url": "http://x",
            "jwt_algorithms": ["RS256"],
        },
    ],
)
def test_half_a_provider_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"idp_|identity provider"):
        Settings(**given)


async def test_who_registered_the_address_first_is_out_once_it_is_proven(
    client: httpx.AsyncClient,
) -> None:
    address, password = "victim@corp.example", "the first one's own password"
    body = {"email": address, "name": "V", "password": password}
    assert (await client.post("/api/auth/register", json=body)).status_code == 202
    first = bearer((await log_in(client, address, password)).json()["access_token"])
    token = (await client.post("/api/tokens", json={"name": "door"}, headers=first)).json()["token"]
    theirs = sign(sub="victim", email=address, email_verified=True)
    assert (await ask(client, theirs)).status_code == 200
    assert_problem(await log_in(client, address, password), 401, "unauthenticated")
    for kept in (first["Authorization"].removeprefix("Bearer "), token):
        assert_problem(await until_refused(client, kept), 401, "unauthenticated")
    assert (await ask(client, theirs)).status_code == 200
