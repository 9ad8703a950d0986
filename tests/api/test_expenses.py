"""Expenses are the transactions of their kind, and nothing else is there."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role
from tests.api.books import NOBODYS, Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization


async def test_an_expense_is_the_transaction_of_the_same_id(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    body = books.expense(
        category_id=str(books.category.id),
        budget_id=str(books.budget.id),
        tag_ids=[str(books.tag.id)],
        splits=[{"amount": "12.50"}],
    )
    answer = await client.post("/api/expenses", json=body)
    assert answer.status_code == 201
    expense = answer.json()
    assert expense["kind"] == "expense"
    place = answer.headers["location"]
    assert place == f"/api/expenses/{expense['id']}"
    alike = f"/api/transactions/{expense['id']}"
    read = await client.get(place)
    assert read.headers["ETag"] == f'"{expense["version"]}"'
    assert read.json() == (await client.get(alike)).json() == expense
    change = {"vendor": "Café", "splits": []}
    changed = (await client.patch(place, json=change)).json()
    assert changed | change == changed
    assert (await client.get(alike)).json() == changed
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(alike), 404, "not-found")
    restored = await client.post(f"{place}/restore")
    assert restored.status_code == 200
    assert (await client.get(alike)).json() == restored.json()


async def test_only_expenses_are_listed(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    expense = await post(client, books.expense(vendor="Café"))
    other = await post(client, books.expense())
    for kind in ("income", "refund", "transfer"):
        await post(client, books.expense(kind=kind, vendor="Café"))
    listed = (await client.get("/api/expenses")).json()["items"]
    assert {e["id"] for e in listed} == {expense["id"], other["id"]}
    found = (await client.get("/api/expenses", params={"vendor": "café"})).json()["items"]
    assert found == [expense]
    await client.delete(f"/api/expenses/{expense['id']}")
    deleted = (await client.get("/api/expenses", params={"deleted": "true"})).json()["items"]
    assert [e["id"] for e in deleted] == [expense["id"]]
    answer = await client.get("/api/expenses", params={"kind": "income"})
    assert_problem(answer, 422, "invalid-input", "kind")


@pytest.mark.parametrize("kind", ["income", "refund", "transfer"])
async def test_what_is_of_another_kind_is_not_there(act_as: ActAs, books: Books, kind: str) -> None:
    client = act_as(books.scope)
    other = await post(client, books.expense(kind=kind))
    place = f"/api/expenses/{other['id']}"
    nobodys = f"/api/expenses/{uuid4()}"
    for path in (place, nobodys):
        assert_problem(await client.get(path), 404, "not-found")
        assert_problem(await client.patch(path, json={"amount": "1"}), 404, "not-found")
        with_splits = {"splits": [], "budget_id": None}
        assert_problem(await client.patch(path, json=with_splits), 404, "not-found")
        assert_problem(await client.delete(path), 404, "not-found")
    await client.delete(f"/api/transactions/{other['id']}")
    for path in (place, nobodys):
        assert_problem(await client.post(f"{path}/restore"), 404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "income"}, "#/kind"),
        ({"kind": "refund"}, "#/kind"),
        ({"counter_account_id": NOBODYS}, "#/counter_account_id"),
        ({"amount": "0"}, "#/amount"),
        ({"amount": "1.001"}, "#/amount"),
        ({"category_id": NOBODYS}, "#/category_id"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, books: Books, change: dict[str, str], pointer: str
) -> None:
    client = act_as(books.scope)
    answer = await client.post("/api/expenses", json=books.expense(**change))
    assert_problem(answer, 422, "invalid-input", pointer)
    expense = await post(client, books.expense())
    answer = await client.patch(f"/api/expenses/{expense['id']}", json=change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_others_expenses_are_not_there(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    expense = await post(act_as(books.scope), books.expense())
    other = await open_books(engine, await make_member(engine, await make_organization(engine)))
    colleague = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    for scope in (other.scope, colleague):
        client = act_as(scope)
        place = f"/api/expenses/{expense['id']}"
        assert_problem(await client.get(place), 404, "not-found")
        assert_problem(await client.patch(place, json={"amount": "1"}), 404, "not-found")
        assert_problem(await client.delete(place), 404, "not-found")
        assert (await client.get("/api/expenses")).json()["items"] == []
        answer = await client.post("/api/expenses", json=books.expense())
        assert_problem(answer, 422, "invalid-input", "#/account_id")
