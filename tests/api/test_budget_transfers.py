from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetShare
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import add_budget, make_member, make_organization


async def move(
    client: httpx.AsyncClient, source: dict[str, Any], target: dict[str, Any], amount: str
) -> httpx.Response:
    body = {"to_budget_id": target["id"], "amount": amount, "on": "2025-04-15"}
    return await client.post(f"/api/budgets/{source['id']}/transfers", json=body)


async def amounts(client: httpx.AsyncClient, *budgets: dict[str, Any]) -> list[str]:
    return [(await client.get(f"/api/budgets/{b['id']}")).json()["amount"] for b in budgets]


async def test_money_moves_along_the_tree(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "1000")
    left = await plan(client, "Left", "400", parent_id=top["id"])
    right = await plan(client, "Right", "300", parent_id=top["id"])
    leaf = await plan(client, "Leaf", "100", parent_id=left["id"])
    budgets = (top, left, right, leaf)

    made = await move(client, leaf, right, "30")
    assert made.status_code == 201
    changed = {m["name"]: (m["before"], m["after"]) for m in made.json()["changed"]}
    assert changed == {
        "Leaf": ("100.00", "70.00"),
        "Left": ("400.00", "370.00"),
        "Right": ("300.00", "330.00"),
    }
    assert await amounts(client, *budgets) == ["1000.00", "370.00", "330.00", "70.00"]
    # Down its own branch only what is below changes, and up it what is above stays.
    assert (await move(client, top, leaf, "50")).status_code == 201
    assert await amounts(client, *budgets) == ["1000.00", "420.00", "330.00", "120.00"]
    assert (await move(client, leaf, top, "120")).status_code == 201
    assert await amounts(client, *budgets) == ["1000.00", "300.00", "330.00", "0.00"]

    listed = (await client.get(f"/api/budgets/{leaf['id']}/transfers")).json()["items"]
    assert [(t["from_budget_id"], t["to_budget_id"], t["amount"]) for t in listed] == [
        (leaf["id"], top["id"], "120.00"),
        (top["id"], leaf["id"], "50.00"),
        (leaf["id"], right["id"], "30.00"),
    ]
    revisions = (await client.get(f"/api/budgets/{right['id']}/revisions")).json()["items"]
    assert [r["action"] for r in revisions] == ["transfer", "create"]


async def test_a_recurring_budget_gives_from_one_period(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    months = await plan(client, "Months", "100", type="monthly")
    other = await plan(client, "Other", "10")
    assert (await move(client, months, other, "40")).status_code == 201
    changed = (await client.get(f"/api/budgets/{months['id']}")).json()
    assert changed["amount"] == "100.00"
    april = {p["starts_on"]: p["amount"] for p in changed["periods"]}
    assert (april["2025-04-01"], april["2025-05-01"]) == ("60.00", "100.00")
    assert await amounts(client, other) == ["50.00"]


async def test_only_free_money_moves(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    source = await plan(client, "Source", "100")
    child = await plan(client, "Child", "20", parent_id=source["id"])
    target = await plan(client, "Target", "0")
    await spend(client, books.account.id, "30", budget_id=source["id"])
    assert (await reserve(client, source["id"], "15")).status_code == 201
    refused = await move(client, source, target, "35.01")
    assert "35.00 EUR" in assert_problem(refused, 409, "conflict", "#/amount")
    assert await amounts(client, source, child, target) == ["100.00", "20.00", "0.00"]
    assert (await move(client, source, target, "35")).status_code == 201
    assert (await figures(client, source["id"]))["period"]["remaining"] == "20.00"
    assert_problem(await move(client, source, target, "0.01"), 409, "conflict", "#/amount")


async def test_what_is_above_the_source_must_have_it_left_too(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    top = await plan(client, "Top", "100")
    leaf = await plan(client, "Leaf", "50", parent_id=top["id"])
    target = await plan(client, "Target", "0")
    await spend(client, books.account.id, "90", budget_id=top["id"])
    assert_problem(await move(client, leaf, target, "10.01"), 409, "conflict", "#/amount")
    assert (await move(client, leaf, target, "10")).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "0"}, "#/amount"),
        ({"amount": "-1"}, "#/amount"),
        ({"to_budget_id": str(uuid4())}, "#/to_budget_id"),
        ({"to_budget_id": None}, "#/to_budget_id"),
        ({"on": "2031-01-01"}, "#/on"),
    ],
)
async def test_bad_transfers_are_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    client = act_as(owner)
    source, target = await plan(client, "Source", "100"), await plan(client, "Target", "0")
    body = {"to_budget_id": target["id"], "amount": "1", "on": "2025-04-15"} | change
    answer = await client.post(f"/api/budgets/{source['id']}/transfers", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_transfer_needs_two_budgets_of_one_currency(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    source = await plan(client, "Source", "100")
    dollars = await plan(client, "Dollars", "0", currency="USD")
    for target in (source, dollars):
        answer = await move(client, source, target, "1")
        assert_problem(answer, 422, "invalid-input", "#/to_budget_id")


async def test_both_ends_and_what_lies_between_must_be_ones_own(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        top = await add_budget(session, owner.user_id)
        between = await add_budget(session, owner.user_id, parent_id=top.id, amount=500)
        rows = [
            await add_budget(session, member.user_id, parent_id=top.id, amount=100),
            await add_budget(session, member.user_id, parent_id=top.id, amount=100),
            await add_budget(session, member.user_id, parent_id=between.id, amount=100),
        ]
        shared = await add_budget(session, owner.user_id)
        session.add(BudgetShare(budget_id=shared.id, user_id=member.user_id))
    one, two, below, seen, hidden = [{"id": str(r.id)} for r in (*rows, shared, top)]
    client = act_as(member)
    assert (await move(client, one, two, "10")).status_code == 201
    assert_problem(await move(client, one, seen, "10"), 403, "forbidden")
    assert_problem(await move(client, seen, one, "10"), 403, "forbidden")
    assert_problem(await move(client, hidden, one, "10"), 404, "not-found")
    assert_problem(await move(client, one, hidden, "10"), 422, "invalid-input", "#/to_budget_id")
    refused = await move(client, one, below, "10")
    assert_problem(refused, 403, "forbidden")
    assert str(between.id) not in refused.text
    viewer = await make_member(engine, owner.organization_id, Role.ANALYST)
    assert_problem(await move(act_as(viewer), one, two, "10"), 403, "forbidden")
    stranger = await make_member(engine, await make_organization(engine))
    assert_problem(await move(act_as(stranger), one, two, "10"), 404, "not-found")
    history = await act_as(stranger).get(f"/api/budgets/{one['id']}/transfers")
    assert_problem(history, 404, "not-found")


async def test_a_dry_transfer_moves_nothing(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    source, target = await plan(client, "Source", "100"), await plan(client, "Target", "0")
    body = {"to_budget_id": target["id"], "amount": "40", "on": "2025-04-15"}
    place = f"/api/budgets/{source['id']}/transfers"
    dry = await client.post(f"{place}?dry_run=true", json=body)
    assert (dry.status_code, dry.headers["outlay-dry-run"]) == (201, "true")
    assert [m["after"] for m in dry.json()["changed"]] == ["60.00", "40.00"]
    assert await amounts(client, source, target) == ["100.00", "0.00"]
    assert (await client.get(place)).json()["items"] == []
