from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import uuid4

import httpx
import jwt
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.errors import InvalidInput
from backend.identity.models import Member, User
from backend.identity.passwords import hash_password
from backend.identity.service import create_api_token
from backend.identity.tokens import issue_access_token
from backend.scope import Role, Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

PASSWORD = "correct horse battery staple"


async def email_of(engine: AsyncEngine, scope: Scope) -> str:
    async with organization_session(engine, scope.organization_id) as session:
        return str(await session.scalar(select(User.email).where(User.id == scope.user_id)))


@pytest.fixture
async def ada(engine: AsyncEngine) -> Scope:
    """A member with a password."""
    organization_id = await make_organization(engine, name="Ada & Co", base_currency="GBP")
    return await make_member(
        engine, organization_id, Role.MANAGER, password_hash=await hash_password(PASSWORD)
    )


async def test_a_password_becomes_a_token_that_works(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Scope, settings: Settings
) -> None:
    email = await email_of(engine, ada)
    answer = await stranger.post(
        "/api/auth/token", json={"email": email.upper(), "password": PASSWORD}
    )
    assert answer.status_code == 200
    login = answer.json()
    assert login["token_type"] == "Bearer"
    assert login["expires_in"] == settings.jwt_ttl_seconds
    assert login["organization"]["organization_id"] == str(ada.organization_id)

    me = await stranger.get("/api/me", headers={"Authorization": f"Bearer {login['access_token']}"})
    assert me.json() == {
        "user": {"id": str(ada.user_id), "email": email, "name": me.json()["user"]["name"]},
        "organization": {
            "id": str(ada.organization_id),
            "name": "Ada & Co",
            "kind": "company",
            "base_currency": "GBP",
            "time_zone": "UTC",
            "fiscal_year_start_month": 1,
        },
        "role": "manager",
        "approval_level": "automatic",
        "read_only": False,
        "memberships": [
            {
                "organization_id": str(ada.organization_id),
                "name": "Ada & Co",
                "role": "manager",
            }
        ],
    }


async def test_a_wrong_password_and_an_unknown_user_are_one_answer(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Scope
) -> None:
    known = await email_of(engine, ada)
    without_password = await email_of(engine, await make_member(engine, ada.organization_id))
    details = set()
    for email, password in (
        (known, "wrong"),
        ("nobody@example.com", PASSWORD),
        (without_password, PASSWORD),
        ("' OR 1=1 --", PASSWORD),
    ):
        answer = await stranger.post("/api/auth/token", json={"email": email, "password": password})
        details.add(assert_problem(answer, 401, "unauthenticated"))
    assert details == {"The e-mail address or the password is wrong."}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"password": "x"}, "#/email"),
        ({"email": "a@example.com"}, "#/password"),
        ({"email": "a@example.com", "password": ""}, "#/password"),
        ({"email": "nul\x00@example.com", "password": "x"}, "#/email"),
        ({"email": "a@example.com", "password": "x", "organization": "mine"}, "#/organization"),
    ],
)
async def test_bad_input_of_a_login(
    stranger: httpx.AsyncClient, body: dict[str, str], pointer: str
) -> None:
    answer = await stranger.post("/api/auth/token", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_an_organization_can_be_chosen_if_it_is_ones_own(
    stranger: httpx.AsyncClient, engine: AsyncEngine, ada: Scope
) -> None:
    second, foreign = await make_organization(engine), await make_organization(engine)
    async with organization_session(engine, second) as session:
        session.add(Member(user_id=ada.user_id, organization_id=second, role=Role.VIEWER))
    body = {"email": await email_of(engine, ada), "password": PASSWORD}

    chosen = await stranger.post("/api/auth/token", json=body | {"organization": str(second)})
    assert chosen.json()["organization"]["role"] == "viewer"
    first = await stranger.post("/api/auth/token", json=body)
    assert first.json()["organization"]["organization_id"] == str(ada.organization_id)
    for organization in (foreign, uuid4()):
        answer = await stranger.post(
            "/api/auth/token", json=body | {"organization": str(organization)}
        )
        assert_problem(answer, 422, "invalid-input", "#/organization")


async def test_without_a_token_nothing_is_told(stranger: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = await stranger.get("/api/me", headers=headers)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def forged(settings: Settings, scope: Scope, *, key: str = "", **changes: Any) -> str:
    """An access token of ours with some claims changed (None removes one) or another key."""
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "sub": str(scope.user_id),
        "org": str(scope.organization_id),
        "iat": datetime.now(UTC),
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(
        claims, key or settings.secrets.jwt.get_secret_value(), headers={"typ": "at+jwt"}
    )


def unsigned(settings: Settings, scope: Scope) -> str:
    def part(content: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    body = jwt.decode(forged(settings, scope), options={"verify_signature": False})
    return f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(body)}."


def other_type(settings: Settings, scope: Scope, type_: str | None) -> str:
    claims = jwt.decode(forged(settings, scope), options={"verify_signature": False})
    return jwt.encode(claims, settings.secrets.jwt.get_secret_value(), headers={"typ": type_})


ATTACKS: dict[str, Callable[[Settings, Scope], str]] = {
    "another key": lambda s, o: forged(s, o, key="x" * 32),
    "no algorithm": unsigned,
    "another issuer": lambda s, o: forged(s, o, iss="somebody"),
    "another audience": lambda s, o: forged(s, o, aud="somebody"),
    "expired": lambda s, o: forged(s, o, exp=datetime.now(UTC) - timedelta(seconds=1)),
    "issued in the future": lambda s, o: forged(s, o, iat=datetime.now(UTC) + timedelta(hours=1)),
    "never expires": lambda s, o: forged(s, o, exp=None),
    "no issuer": lambda s, o: forged(s, o, iss=None),
    "no audience": lambda s, o: forged(s, o, aud=None),
    "no organization": lambda s, o: forged(s, o, org=None),
    "no subject": lambda s, o: forged(s, o, sub=None),
    "subject is no id": lambda s, o: forged(s, o, sub="root"),
    "a type of its own": lambda s, o: other_type(s, o, "refresh+jwt"),
    "no type": lambda s, o: other_type(s, o, None),
    "plain type": lambda s, o: other_type(s, o, "JWT"),
    "not a member": lambda s, o: forged(s, o, sub=str(uuid4())),
    "not that organization's member": lambda s, o: forged(s, o, org=str(uuid4())),
    "not a token": lambda _s, _o: "rubbish",
    "an API token nobody has": lambda _s, _o: "outlay_" + "x" * 43,
    "hostile": lambda _s, _o: "outlay_' OR '1'='1",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_forged_token_is_taken(
    stranger: httpx.AsyncClient, settings: Settings, owner: Scope, attack: str
) -> None:
    good = {"Authorization": f"Bearer {forged(settings, owner)}"}
    assert (await stranger.get("/api/me", headers=good)).status_code == 200
    bad = {"Authorization": f"Bearer {ATTACKS[attack](settings, owner)}"}
    assert_problem(await stranger.get("/api/me", headers=bad), 401, "unauthenticated")


async def test_another_algorithm_of_the_same_family_is_not_taken(
    stranger: httpx.AsyncClient, settings: Settings, owner: Scope
) -> None:
    claims = jwt.decode(forged(settings, owner), options={"verify_signature": False})
    key = settings.secrets.jwt.get_secret_value() * 2
    token = jwt.encode(claims, key, algorithm="HS512", headers={"typ": "at+jwt"})
    answer = await stranger.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert_problem(answer, 401, "unauthenticated")


async def test_a_token_that_expires_is_refused_although_its_holder_was_just_served(
    stranger: httpx.AsyncClient, settings: Settings, owner: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The expiry is checked at each use, not when the scope is looked up."""
    token = issue_access_token(settings, owner.user_id, owner.organization_id)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await stranger.get("/api/me", headers=headers)).status_code == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=settings.jwt_ttl_seconds + 1)

    monkeypatch.setattr("jwt.api_jwt.datetime", Later)  # the clock that verifies tokens
    answer = await stranger.get("/api/me", headers=headers)
    assert_problem(answer, 401, "unauthenticated")


async def test_an_api_token_acts_for_its_user(
    stranger: httpx.AsyncClient, engine: AsyncEngine, owner: Scope
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        token = await create_api_token(session, owner.user_id, name="laptop")
        reader = await create_api_token(session, owner.user_id, name="report", scopes=["read"])
    me = await stranger.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["user"]["id"] == str(owner.user_id)
    assert me.json()["read_only"] is False

    headers = {"Authorization": f"Bearer {reader}"}
    assert (await stranger.get("/api/me", headers=headers)).json()["read_only"] is True
    answer = await stranger.post("/api/tags", json={"name": "x"}, headers=headers)
    assert assert_problem(answer, 403, "forbidden") == "This token may only read."


async def test_an_api_token_is_not_made_for_the_past(engine: AsyncEngine, owner: Scope) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        with pytest.raises(InvalidInput):
            await create_api_token(
                session,
                owner.user_id,
                name="late",
                expires_at=datetime.now(UTC) - timedelta(seconds=1),
            )


async def test_the_caller_sees_themselves_only(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, ada: Scope
) -> None:
    me = (await act_as(owner).get("/api/me")).json()
    assert me["user"]["id"] == str(owner.user_id)
    assert str(ada.organization_id) not in json.dumps(me)
