"""Who may read and write which transactions."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role
from tests.api.books import Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_split,
    add_transaction,
    make_member,
    make_organization,
    share_account,
)


async def test_a_member_works_on_accounts_of_theirs_and_shared_ones(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        own = await add_account(session, member.user_id)
        shared = await add_account(session, books.scope.user_id)
        await share_account(session, shared.id, member.user_id)
        hidden = await add_transaction(session, books.account.id)
    client = act_as(member)
    booked = [await post(client, books.expense(account_id=str(a.id))) for a in (own, shared)]
    listed = (await client.get("/api/transactions")).json()["items"]
    assert {t["id"] for t in listed} == {t["id"] for t in booked}
    refused = await client.post("/api/transactions", json=books.expense())
    assert_problem(refused, 422, "invalid-input", "#/account_id")
    move = await client.patch(
        f"/api/transactions/{booked[0]['id']}", json={"account_id": str(books.account.id)}
    )
    assert_problem(move, 422, "invalid-input", "#/account_id")
    place = f"/api/transactions/{hidden.id}"
    assert_problem(await client.get(place), 404, "not-found")
    assert_problem(await client.patch(place, json={"amount": "1"}), 404, "not-found")
    assert_problem(await client.delete(place), 404, "not-found")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
async def test_readers_write_nothing(
    act_as: ActAs, books: Books, engine: AsyncEngine, role: Role
) -> None:
    reader = await make_member(engine, books.scope.organization_id, role)
    async with organization_session(engine, books.scope.organization_id) as session:
        await share_account(session, books.account.id, reader.user_id)
        transaction = await add_transaction(session, books.account.id)
    client = act_as(reader)
    place = f"/api/transactions/{transaction.id}"
    assert (await client.get(place)).status_code == 200
    answer = await client.post("/api/transactions", json=books.expense())
    assert_problem(answer, 403, "forbidden")
    assert_problem(await client.patch(place, json={"amount": "1"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_what_is_not_theirs_to_see_is_neither_named_nor_lost(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    """A shared account's transfer goes to a private one, and counts in a budget they do not see."""
    partner = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        shared = await add_account(session, books.scope.user_id)
        await share_account(session, shared.id, partner.user_id)
        transfer = await add_transaction(
            session,
            shared.id,
            kind="transfer",
            counter_account_id=books.account.id,
            budget_id=books.budget.id,
        )
        split = await add_split(session, transfer.id, transfer.amount, budget_id=books.budget.id)
    client = act_as(partner)
    place = f"/api/transactions/{transfer.id}"
    shown = (await client.get(place)).json()
    for secret in (books.account.id, books.budget.id):
        assert str(secret) not in json.dumps(shown)
    assert shown["splits"][0]["id"] == str(split.id)

    sent_back = {"counter_account_id": None, "budget_id": None, "description": "Savings"}
    assert (await client.patch(place, json=sent_back)).json()["description"] == "Savings"
    kept = (await act_as(books.scope).get(place)).json()
    assert kept["counter_account_id"] == str(books.account.id)
    assert kept["budget_id"] == str(books.budget.id)
    by_budget = await client.get("/api/transactions", params={"budget_id": str(books.budget.id)})
    assert_problem(by_budget, 404, "not-found")


@pytest.fixture
async def shared_place(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> tuple[str, httpx.AsyncClient]:
    """A transaction of a shared account, and somebody who sees it but none of its budgets.

    Its splits: one in the owner's budget, one in none, one that looks like the second.
    """
    partner = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        await share_account(session, books.account.id, partner.user_id)
    hidden = {"budget_id": str(books.budget.id)}
    splits = [{"amount": "10.00"} | hidden, {"amount": "1.25"}, {"amount": "1.25"} | hidden]
    booked = await post(act_as(books.scope), books.expense(splits=splits))
    return f"/api/transactions/{booked['id']}", act_as(partner)


@pytest.mark.parametrize("with_ids", [True, False])
async def test_splits_that_are_sent_back_keep_the_budget_they_do_not_show(
    act_as: ActAs, books: Books, shared_place: tuple[str, httpx.AsyncClient], *, with_ids: bool
) -> None:
    place, client = shared_place
    before = (await act_as(books.scope).get(place)).json()["splits"]
    shown = (await client.get(place)).json()["splits"]
    assert {split["budget_id"] for split in shown} == {None}
    fields = {"amount", "category_id", "budget_id", "tag_id", "description"} | (
        {"id"} if with_ids else set()
    )
    sent = [{k: v for k, v in split.items() if k in fields} for split in shown]

    answer = await client.patch(place, json={"splits": sent, "vendor": "Café"})

    assert (answer.status_code, answer.json()["splits"]) == (200, shown)
    assert (await act_as(books.scope).get(place)).json()["splits"] == before


async def test_a_split_is_changed_by_its_id(
    act_as: ActAs, books: Books, shared_place: tuple[str, httpx.AsyncClient]
) -> None:
    place, client = shared_place
    ids = [split["id"] for split in (await client.get(place)).json()["splits"]]
    sent = [{"amount": "2.50", "description": "new"}, {"id": ids[0], "amount": "10.00"}]
    sent[1]["tag_id"] = str(books.tag.id)
    assert (await client.patch(place, json={"splits": sent})).status_code == 200

    owners = act_as(books.scope)
    kept, new = (await owners.get(place)).json()["splits"]
    assert (kept["id"], kept["tag_id"]) == (ids[0], str(books.tag.id))
    assert kept["budget_id"] == str(books.budget.id)
    assert (new["description"], new["budget_id"]) == ("new", None)
    assert new["id"] not in ids

    # Whoever sees the budget says with null that there shall be none.
    cleared = [{"id": s["id"], "amount": s["amount"], "budget_id": None} for s in (kept, new)]
    answer = (await owners.patch(place, json={"splits": cleared})).json()["splits"]
    assert [split["id"] for split in answer] == [kept["id"], new["id"]]
    assert {split["budget_id"] for split in answer} == {None}


async def test_a_split_of_another_transaction_is_no_split(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    one, other = [await post(client, books.expense(splits=[{"amount": "12.50"}])) for _ in range(2)]
    place = f"/api/transactions/{one['id']}"
    own, foreign = ({"id": t["splits"][0]["id"], "amount": "12.50"} for t in (one, other))
    answer = await client.patch(place, json={"splits": [foreign]})
    assert_problem(answer, 422, "invalid-input", "#/splits/0/id")
    answer = await client.patch(place, json={"amount": "25", "splits": [own, own]})
    assert_problem(answer, 422, "invalid-input", "#/splits/1/id")
    answer = await client.post("/api/transactions", json=books.expense(splits=[own]))
    assert_problem(answer, 422, "invalid-input", "#/splits/0/id")
    assert (await client.get(place)).json() == one


async def test_somebody_elses_transaction_is_as_good_as_none(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    other = await open_books(engine, await make_member(engine, await make_organization(engine)))
    async with organization_session(engine, other.scope.organization_id) as session:
        theirs = await add_transaction(session, other.account.id)
    client = act_as(books.scope)
    details = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/transactions/{identity}"
        details.add(assert_problem(await client.get(place), 404, "not-found"))
        answer = await client.patch(place, json={"amount": "1"})
        details.add(assert_problem(answer, 404, "not-found"))
        details.add(assert_problem(await client.delete(place), 404, "not-found"))
    assert details == {"There is no such transaction."}
