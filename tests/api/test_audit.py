from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.models import AuditEntry
from backend.db.engine import organization_session
from backend.scope import Scope
from tests.api.audit import entries_of
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member


async def number_of_entries(engine: AsyncEngine, scope: Scope) -> int:
    async with organization_session(engine, scope.organization_id) as session:
        return await session.scalar(select(func.count()).select_from(AuditEntry)) or 0


async def test_a_thing_is_followed_from_its_making_to_its_end(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    made = await client.post("/api/tags", json={"name": "Travel", "colour": "#aa00ff"})
    place = made.headers["location"]
    answers = (made, await client.patch(place, json={"colour": None}), await client.delete(place))
    first = {"id": made.json()["id"], "name": "Travel", "colour": "#aa00ff"}
    second = first | {"colour": None}
    told: list[tuple[str, Any, Any]] = []
    for answer in answers:
        [(entry, payload)] = await entries_of(engine, owner, answer)
        assert entry.actor == str(owner.user_id)
        assert (entry.object_type, str(entry.object_id)) == ("tag", made.json()["id"])
        told.append((entry.action, payload.before, payload.after))
    assert told == [("create", None, first), ("update", first, second), ("delete", second, None)]


async def test_a_transaction_is_recorded_with_its_tags_and_splits(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    made = await client.post(
        "/api/transactions", json=books.expense(tag_ids=[str(books.tag.id)], amount="12.5")
    )
    change = {"tag_ids": [], "splits": [{"amount": "12.50", "description": "all"}]}
    changed = await client.patch(made.headers["location"], json=change)
    [(_, payload)] = await entries_of(engine, books.scope, changed)
    before, after = payload.before, payload.after
    assert before is not None
    assert after is not None
    assert (before["amount"], before["tag_ids"]) == ("12.5000", [str(books.tag.id)])
    assert (after["tag_ids"], before["splits"]) == ([], [])
    assert [(s["amount"], s["description"]) for s in after["splits"]] == [("12.5000", "all")]


async def test_sharing_is_recorded_with_whom(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    partner = str((await make_member(engine, books.scope.organization_id)).user_id)
    for kind, row in (("account", books.account), ("budget", books.budget)):
        place = f"/api/{kind}s/{row.id}/shares/{partner}"
        shared, unshared = await client.put(place), await client.delete(place)
        for answer, action, before, after in (
            (shared, "share", None, {"user_id": partner}),
            (unshared, "unshare", {"user_id": partner}, None),
        ):
            [(entry, payload)] = await entries_of(engine, books.scope, answer)
            assert (entry.action, entry.object_type, entry.object_id) == (action, kind, row.id)
            assert (payload.before, payload.after) == (before, after)


async def test_what_is_refused_leaves_no_entry(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    await client.post("/api/transactions", json=books.expense())
    before = await number_of_entries(engine, books.scope)
    place = f"/api/accounts/{books.account.id}"
    assert_problem(await client.delete(place), 409, "conflict")  # refused by the foreign key
    bad = await client.post("/api/transactions", json=books.expense(splits=[{"amount": "1"}]))
    assert_problem(bad, 422, "invalid-input", "#/splits")
    late = await client.patch(place, json={"name": "x"}, headers={"If-Match": '"x"'})
    assert_problem(late, 412, "precondition-failed")
    assert await number_of_entries(engine, books.scope) == before


@pytest.mark.parametrize("path", ["/api/tags", "/api/accounts", "/api/transactions"])
async def test_reading_leaves_no_entry(
    act_as: ActAs, engine: AsyncEngine, books: Books, path: str
) -> None:
    assert (await act_as(books.scope).get(path)).status_code == 200
    assert await number_of_entries(engine, books.scope) == 0
