from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.routes import Route
from backend.db.engine import organization_session
from backend.errors import Conflict
from backend.idempotency import keys
from backend.idempotency.answers import Answer, seal, unseal
from backend.idempotency.models import IdempotencyKey
from backend.ledger.models import Transaction
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member

CARD = {"name": "Card", "type": "card", "currency": "EUR"}


def key(value: str = "once") -> dict[str, str]:
    return {"Idempotency-Key": value}


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str | None]]:
    """What a caller acts on."""
    shown = ("content-type", "content-length", "location", "etag")
    return answer.status_code, answer.content, {h: answer.headers.get(h) for h in shown}


async def count(engine: AsyncEngine, scope: Scope, model: type[Any]) -> int:
    async with organization_session(engine, scope.organization_id) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_a_request_sent_again_is_answered_again_and_done_once(
    act_as: ActAs, owner: Scope
) -> None:
    client = act_as(owner)
    first = await client.post("/api/accounts", json=CARD, headers=key())
    assert "idempotency-replayed" not in first.headers
    for _ in range(2):
        again = await client.post("/api/accounts", json=CARD, headers=key())
        assert told(again) == told(first)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len((await client.get("/api/accounts")).json()["items"]) == 1

    place, seen = first.headers["location"], {"If-Match": first.headers["etag"]}
    change = {"json": {"name": "Old card"}, "headers": key("change") | seen}
    changed = await client.patch(place, **change)  # type: ignore[arg-type]
    assert changed.status_code == 200
    # The version it named is gone by now, but this is no second update.
    assert told(await client.patch(place, **change)) == told(changed)  # type: ignore[arg-type]

    gone = await client.delete(place, headers=key("delete"))
    assert gone.status_code == 204
    assert told(await client.delete(place, headers=key("delete"))) == told(gone)
    assert_problem(await client.delete(place), 404, "not-found")


async def test_a_repetition_leaves_no_second_audit_entry(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    first = await client.post("/api/tags", json={"name": "x"}, headers=key())
    again = await client.post("/api/tags", json={"name": "x"}, headers=key())
    assert len(await entries_of(engine, owner, first)) == 1
    assert await entries_of(engine, owner, again) == []


async def test_a_key_belongs_to_one_request(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    await client.post("/api/tags", json={"name": "x"}, headers=key())
    for other in (
        await client.post("/api/tags", json={"name": "y"}, headers=key()),
        await client.post("/api/categories", json={"name": "x"}, headers=key()),
        await client.post("/api/tags?dry_run=false", json={"name": "x"}, headers=key()),
    ):
        assert_problem(other, 422, "invalid-input", "Idempotency-Key")
    assert len((await client.get("/api/tags")).json()["items"]) == 1
    assert (await client.get("/api/categories")).json()["items"] == []


async def test_keys_of_different_people_do_not_meet(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    manager = await make_member(engine, owner.organization_id, Role.MANAGER)
    for number, scope in enumerate((owner, manager)):
        answer = await act_as(scope).post("/api/tags", json={"name": f"{number}"}, headers=key())
        assert answer.status_code == 201
        assert "idempotency-replayed" not in answer.headers


async def test_what_was_refused_may_be_tried_again(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    for bad in ({"name": ""}, {"name": "x", "parent_id": str(uuid4())}):
        refused = await client.post("/api/categories", json=bad, headers=key())
        assert_problem(refused, 422, "invalid-input", f"#/{list(bad)[-1]}")
    accepted = await client.post("/api/categories", json={"name": "x"}, headers=key())
    assert accepted.status_code == 201


async def test_while_the_first_try_is_under_way_the_second_does_not_wait(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    async with organization_session(engine, owner.organization_id) as session:
        assert await keys.claim(session, owner, keys.Request("once", b"")) is None
        answer = await client.post("/api/tags", json={"name": "x"}, headers=key())
        assert_problem(answer, 409, "conflict")
        assert answer.headers["retry-after"] == "1"
    assert (await client.post("/api/tags", json={"name": "x"}, headers=key())).status_code == 201


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"tab\there", b"caf\xe9"])
async def test_a_key_is_short_and_printable(act_as: ActAs, owner: Scope, bad: bytes) -> None:
    client = act_as(owner)
    headers = {b"Idempotency-Key": bad}
    answer = await client.post("/api/tags", json={"name": "x"}, headers=headers)
    assert_problem(answer, 422, "invalid-input", "Idempotency-Key")
    longest = await client.post("/api/tags", json={"name": "x"}, headers=key("~" * 255))
    assert longest.status_code == 201


async def test_after_a_day_a_key_is_new_and_old_ones_are_swept(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    for name in ("once", "other"):
        await client.post("/api/accounts", json=CARD, headers=key(name))
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(
            text("UPDATE idempotency_keys SET created_at = now() - interval '24 hours'")
        )
    again = await client.post("/api/accounts", json=CARD, headers=key())
    assert "idempotency-replayed" not in again.headers
    assert len((await client.get("/api/accounts")).json()["items"]) == 3
    async with organization_session(engine, owner.organization_id) as session:
        assert list(await session.scalars(select(IdempotencyKey.key))) == ["once"]


async def test_a_kept_answer_cannot_be_read_off_the_table(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    await act_as(owner).post("/api/tags", json={"name": "Confidential"}, headers=key())
    async with organization_session(engine, owner.organization_id) as session:
        kept = await session.scalar(select(IdempotencyKey.answer))
    assert kept is not None
    assert b"Confidential" not in kept


def test_an_answer_sealed_with_another_secret_is_lost() -> None:
    answer = Answer(201, [("location", "/x")], b'{"token":\n"secret"}')
    sealed = seal(answer, SecretStr("a"))
    assert unseal(sealed, SecretStr("a")) == answer
    with pytest.raises(Conflict):
        unseal(sealed, SecretStr("b"))


async def test_an_upload_is_known_by_its_bytes(app: FastAPI, act_as: ActAs, owner: Scope) -> None:
    router = APIRouter(route_class=Route)

    @router.post("/api/auth/test-upload")
    async def upload(request: Request) -> int:
        return len(b"".join([piece async for piece in request.stream()]))

    app.include_router(router)
    client = act_as(owner)

    async def send(content: bytes) -> httpx.Response:
        return await client.post("/api/auth/test-upload", content=content, headers=key())

    assert (await send(b"\x00\xff")).json() == 2
    assert (await send(b"\x00\xff")).headers["idempotency-replayed"] == "true"
    assert_problem(await send(b"\x00\xfe"), 422, "invalid-input", "Idempotency-Key")


@pytest.mark.long
async def test_as_many_effects_as_keys(act_as: ActAs, engine: AsyncEngine, books: Books) -> None:
    number = 1000 if os.environ.get("OUTLAY_TEST_PROFILE") == "long" else 200
    client = act_as(books.scope)
    client.event_hooks = {"request": [], "response": []}  # the audit is counted at the end
    at_once = asyncio.Semaphore(20)

    async def attempt(name: str) -> httpx.Response:
        async with at_once:
            body = books.expense(description=name)
            return await client.post("/api/transactions", json=body, headers=key(name))

    names = [f"key {n}" for n in range(number)]
    tries = await asyncio.gather(*(attempt(name) for name in names for _ in range(5)))
    assert {answer.status_code for answer in tries} <= {201, 409}
    done = [a for a in tries if a.is_success and "idempotency-replayed" not in a.headers]
    assert sorted(answer.json()["description"] for answer in done) == sorted(names)
    assert await count(engine, books.scope, Transaction) == number
    async with organization_session(engine, books.scope.organization_id) as session:
        entries = await session.scalar(text("SELECT count(*) FROM audit_entries"))
    assert entries == number
    first = {answer.json()["description"]: told(answer) for answer in done}
    for name in names[:20]:
        assert told(await attempt(name)) == first[name]


async def test_another_token_of_the_same_user_gets_no_answer_of_the_first(
    act_as: ActAs, stranger: httpx.AsyncClient, owner: Scope
) -> None:
    client = act_as(owner)
    reader = (await client.post("/api/tokens", json={"name": "r", "scopes": ["read"]})).json()
    body = {"name": "w", "scopes": ["admin"]}
    made = await client.post("/api/tokens", json=body, headers=key())
    assert made.status_code == 201
    headers = {"Authorization": f"Bearer {reader['token']}"} | key()
    again = await stranger.post("/api/tokens", json=body, headers=headers)
    assert_problem(again, 422, "invalid-input", "Idempotency-Key")
    assert made.json()["token"] not in again.text


async def test_a_kept_digest_is_no_hash_of_the_request(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    made = await act_as(owner).post("/api/accounts", json=CARD, headers=key())
    sent = made.request.content
    async with organization_session(engine, owner.organization_id) as session:
        [kept] = await session.scalars(select(IdempotencyKey.request_digest))
    for known in (sent, b"POST\n/api/accounts\n\n" + sent):
        assert kept != sha256(known).digest()
