"""Who may read and write which transactions."""

from __future__ import annotations

import json
from uuid import uuid4

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
