"""Deleting a category that is in use: another one takes over."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetAttribution
from backend.db.engine import organization_session
from backend.ledger.models import Category
from tests.api.audit import entries_of
from tests.api.books import Books, post
from tests.api.conftest import ActAs
from tests.api.plans import plan
from tests.api.problem import assert_problem
from tests.factories import add_category, make_member, make_organization


@pytest.fixture
async def other(books: Books, engine: AsyncEngine) -> Category:
    async with organization_session(engine, books.scope.organization_id) as session:
        return await add_category(session)


async def test_another_one_takes_over(
    act_as: ActAs, books: Books, engine: AsyncEngine, other: Category
) -> None:
    client = act_as(books.scope)
    async with organization_session(engine, books.scope.organization_id) as session:
        child = await add_category(session, parent_id=books.category.id)
    category, replacement = str(books.category.id), str(other.id)
    budget = await plan(
        client, "Food", "100", category_id=category, rules=[{"category_id": category}]
    )
    whole = await post(client, books.expense(category_id=category))
    parts = [{"amount": "2.50", "category_id": category}, {"amount": "10.00"}]
    split = await post(client, books.expense(splits=parts))
    deleted = await post(client, books.expense(category_id=category))
    await client.delete(f"/api/transactions/{deleted['id']}")
    place = f"/api/categories/{category}"
    assert_problem(await client.delete(place), 409, "conflict")
    answer = await client.delete(place, params={"replace_with": replacement})
    assert answer.status_code == 204, answer.text
    assert_problem(await client.get(place), 404, "not-found")

    found = [(await client.get(f"/api/transactions/{t['id']}")).json() for t in (whole, split)]
    assert found[0]["category_id"] == replacement
    assert [s["category_id"] for s in found[1]["splits"]] == [replacement, None]
    assert all(a["version"] != b["version"] for a, b in zip((whole, split), found, strict=True))
    restored = await client.post(f"/api/transactions/{deleted['id']}/restore")
    assert restored.json()["category_id"] == replacement
    children = await client.get("/api/categories", params={"parent_id": replacement})
    assert [c["id"] for c in children.json()["items"]] == [str(child.id)]
    now = (await client.get(f"/api/budgets/{budget['id']}")).json()
    assert now["category_id"] == replacement
    assert [rule["category_id"] for rule in now["rules"]] == [replacement]
    async with organization_session(engine, books.scope.organization_id) as session:
        lines = set(await session.scalars(select(BudgetAttribution.line_id)))
    counted = {whole["id"], split["splits"][0]["id"], deleted["id"]}
    assert lines == {UUID(line) for line in counted}

    entries = {e.object_type: (e, p) for e, p in await entries_of(engine, books.scope, answer)}
    changed, told = entries.pop("budget")
    assert (changed.action, str(changed.object_id)) == ("update", budget["id"])
    for state, named in ((told.before, category), (told.after, replacement)):
        assert state is not None
        assert (state["category_id"], state["rules"]) == (named, [{"category_id": named}])
    assert now["version"] != budget["version"]
    ((entry, payload),) = entries.values()
    assert (entry.action, entry.object_id) == ("delete", books.category.id)
    assert payload.before is not None
    assert payload.before["replaced_with"] == replacement
    moved = {table: rows for table, rows in payload.before["moved"].items() if rows}
    assert moved == {
        "budget_rules": 1,
        "budgets": 1,
        "categories": 1,
        "transaction_splits": 1,
        "transactions": 2,
    }


async def test_what_cannot_take_over(
    act_as: ActAs, books: Books, engine: AsyncEngine, other: Category
) -> None:
    client = act_as(books.scope)
    theirs = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, books.scope.organization_id) as session:
        child = await add_category(session, parent_id=books.category.id)
        below = await add_category(session, parent_id=child.id)
    async with organization_session(engine, theirs.organization_id) as session:
        foreign = await add_category(session)
    place = f"/api/categories/{books.category.id}"
    for identity in (books.category.id, child.id, below.id, foreign.id, uuid4(), "x"):
        answer = await client.delete(place, params={"replace_with": str(identity)})
        assert_problem(answer, 422, "invalid-input", "replace_with")
    assert (await client.get(place)).status_code == 200


async def test_two_children_of_one_name_are_in_the_way(
    act_as: ActAs, books: Books, engine: AsyncEngine, other: Category
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        for parent in (books.category, other):
            await add_category(session, parent_id=parent.id, name="Same")
    answer = await act_as(books.scope).delete(
        f"/api/categories/{books.category.id}", params={"replace_with": str(other.id)}
    )
    assert_problem(answer, 409, "conflict")
