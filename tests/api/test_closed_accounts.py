"""A closed account keeps its books and takes nothing new."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger.models import Account, Transaction
from tests.api.books import Books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import add_account, add_transaction


@pytest.fixture
async def closed(books: Books, engine: AsyncEngine) -> tuple[Account, Transaction]:
    async with organization_session(engine, books.scope.organization_id) as session:
        account = await add_account(session, books.scope.user_id, status="closed")
        return account, await add_transaction(session, account.id)


async def test_it_takes_no_new_transactions(
    act_as: ActAs, books: Books, closed: tuple[Account, Transaction]
) -> None:
    client = act_as(books.scope)
    account_id = str(closed[0].id)
    answer = await client.post("/api/transactions", json=books.expense(account_id=account_id))
    detail = assert_problem(answer, 409, "conflict", "#/account_id")
    assert detail == "A closed account takes no new transactions."
    transfer = books.expense(kind="transfer", counter_account_id=account_id)
    answer = await client.post("/api/transactions", json=transfer)
    assert_problem(answer, 409, "conflict", "#/counter_account_id")
    other = await post(client, books.expense())
    place = f"/api/transactions/{other['id']}"
    answer = await client.patch(place, json={"account_id": account_id})
    assert_problem(answer, 409, "conflict", "#/account_id")
    assert (await client.get(place)).json() == other


async def test_what_is_on_it_can_still_be_put_right(
    act_as: ActAs, books: Books, closed: tuple[Account, Transaction]
) -> None:
    client = act_as(books.scope)
    account, transaction = closed
    place = f"/api/transactions/{transaction.id}"
    change = {"description": "Better", "account_id": str(account.id), "amount": "11.00"}
    assert (await client.patch(place, json=change)).json()["description"] == "Better"
    assert (await client.delete(place)).status_code == 204
    assert (await client.post(f"{place}/restore")).status_code == 200
    away = {"account_id": str(books.account.id)}
    assert (await client.patch(place, json=away)).status_code == 200


async def test_opened_again_it_takes_them(
    act_as: ActAs, books: Books, closed: tuple[Account, Transaction]
) -> None:
    client = act_as(books.scope)
    account_id = str(closed[0].id)
    opened = await client.patch(f"/api/accounts/{account_id}", json={"status": "active"})
    assert opened.json()["status"] == "active"
    await post(client, books.expense(account_id=account_id))
