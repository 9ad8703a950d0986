"""Deleted transactions: listed apart, restored, and never in anybody's way for long."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role
from tests.api.audit import entries_of
from tests.api.books import Books, post
from tests.api.conftest import ActAs
from tests.api.plans import figures
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_category,
    add_tag,
    make_member,
    make_organization,
    share_account,
)


async def test_a_restored_transaction_is_as_it_was_and_counts_again(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    body = books.expense(
        budget_id=str(books.budget.id),
        tag_ids=[str(books.tag.id)],
        splits=[{"amount": "2.50"}, {"amount": "10.00", "category_id": str(books.category.id)}],
        external_id="1",
    )
    booked = await post(client, body)
    place = f"/api/transactions/{booked['id']}"

    async def spent() -> str:
        return str((await figures(client, books.budget.id))["period"]["spent"])

    assert await spent() == "12.50"
    await client.delete(place)
    assert await spent() == "0.00"
    (listed,) = (await client.get("/api/transactions", params={"deleted": "true"})).json()["items"]
    assert listed["id"] == booked["id"]
    assert listed["deleted_at"] is not None
    answer = await client.post(f"{place}/restore")
    assert answer.status_code == 200
    restored = answer.json()
    assert {k for k in booked if booked[k] != restored[k]} == {"updated_at", "version"}
    assert answer.headers["ETag"] == f'"{restored["version"]}"'
    assert (await client.get(place)).json() == restored
    assert await spent() == "12.50"
    listed = (await client.get("/api/transactions", params={"deleted": "true"})).json()["items"]
    assert listed == []
    ((entry, payload),) = await entries_of(engine, books.scope, answer)
    assert entry.action == "restore"
    assert payload.before is not None
    assert payload.after is not None
    assert payload.before["deleted_at"] is not None
    assert payload.after == payload.before | {"deleted_at": None}


async def test_what_is_not_deleted_cannot_be_restored(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    booked = await post(client, books.expense())
    for identity in (booked["id"], uuid4()):
        answer = await client.post(f"/api/transactions/{identity}/restore")
        assert_problem(answer, 404, "not-found")
    assert_problem(
        await client.post("/api/transactions/x/restore"), 422, "invalid-input", "transaction_id"
    )


async def test_an_external_id_that_was_taken_since_is_a_conflict(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    first = await post(client, books.expense(external_id="1"))
    await client.delete(f"/api/transactions/{first['id']}")
    second = await post(client, books.expense(external_id="1"))
    refused = await client.post(f"/api/transactions/{first['id']}/restore")
    assert "external id" in assert_problem(refused, 409, "conflict")
    await client.delete(f"/api/transactions/{second['id']}")
    assert (await client.post(f"/api/transactions/{first['id']}/restore")).status_code == 200


async def test_only_who_may_write_it_restores_it(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    organization_id = books.scope.organization_id
    viewer, member, sharing = [
        await make_member(engine, organization_id, role)
        for role in (Role.VIEWER, Role.MEMBER, Role.MEMBER)
    ]
    stranger = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, organization_id) as session:
        for user in (viewer, sharing):
            await share_account(session, books.account.id, user.user_id)
    booked = await post(act_as(books.scope), books.expense())
    await act_as(books.scope).delete(f"/api/transactions/{booked['id']}")
    place = f"/api/transactions/{booked['id']}/restore"
    for scope in (member, stranger):
        assert_problem(await act_as(scope).post(place), 404, "not-found")
        listed = await act_as(scope).get("/api/transactions", params={"deleted": "true"})
        assert listed.json()["items"] == []
    assert_problem(await act_as(viewer).post(place), 403, "forbidden")
    assert (await act_as(sharing).post(place)).status_code == 200


async def test_deleted_transactions_let_go_of_words(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    """A category or a tag that only they use can be deleted; restored, they come without it."""
    async with organization_session(engine, books.scope.organization_id) as session:
        other_category, other_tag = await add_category(session), await add_tag(session)
    client = act_as(books.scope)
    category, tag = f"/api/categories/{books.category.id}", f"/api/tags/{books.tag.id}"
    words = {"category_id": str(books.category.id), "tag_id": str(books.tag.id)}
    others = {"category_id": str(other_category.id), "tag_id": str(other_tag.id)}
    body = books.expense(
        category_id=words["category_id"],
        tag_ids=[words["tag_id"], others["tag_id"]],
        splits=[{"amount": "2.50"} | words, {"amount": "10.00"} | others],
    )
    gone, kept = [await post(client, body) for _ in range(2)]
    await client.delete(f"/api/transactions/{gone['id']}")
    for place in (category, tag):
        assert_problem(await client.delete(place), 409, "conflict")
    await client.patch(
        f"/api/transactions/{kept['id']}", json={"category_id": None, "tag_ids": [], "splits": []}
    )
    for place in (category, tag):
        assert (await client.delete(place)).status_code == 204
    restored = (await client.post(f"/api/transactions/{gone['id']}/restore")).json()
    assert restored["category_id"] is None
    assert restored["tag_ids"] == [others["tag_id"]]
    assert [(s["category_id"], s["tag_id"]) for s in restored["splits"]] == [
        (None, None),
        (others["category_id"], others["tag_id"]),
    ]


@pytest.mark.parametrize("place", ["account_id", "counter_account_id"])
async def test_an_account_keeps_its_deleted_transactions(
    act_as: ActAs, books: Books, engine: AsyncEngine, place: str
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        account = await add_account(session, books.scope.user_id)
    client = act_as(books.scope)
    kind = "expense" if place == "account_id" else "transfer"
    booked = await post(client, books.expense(**{"kind": kind, place: str(account.id)}))
    path = f"/api/accounts/{account.id}"
    detail = assert_problem(await client.delete(path), 409, "conflict")
    assert detail == "It is still used by transactions."
    await client.delete(f"/api/transactions/{booked['id']}")
    detail = assert_problem(await client.delete(path), 409, "conflict")
    assert "can still be restored" in detail
    assert (await client.post(f"/api/transactions/{booked['id']}/restore")).status_code == 200
