from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import plan, spend
from tests.api.problem import assert_problem
from tests.factories import add_budget, make_member

ON = {"on": "2025-04-15"}


async def test_evenly_to_the_cent(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "100")
    for name in "ABC":
        await plan(client, name, "0", parent_id=top["id"])
    place = f"/api/budgets/{top['id']}/allocate"
    made = await client.post(place, json=ON | {"method": "evenly"})
    assert made.status_code == 200
    shares = [(s["name"], s["amount"]) for s in made.json()["shares"]]
    assert shares == [("A", "33.34"), ("B", "33.33"), ("C", "33.33")]
    listed = await client.get("/api/budgets", params={"parent_id": top["id"]})
    assert [b["amount"] for b in listed.json()["items"]] == ["33.34", "33.33", "33.33"]
    part = await client.post(place, json=ON | {"method": "evenly", "amount": "0.01"})
    assert [s["amount"] for s in part.json()["shares"]] == ["0.01", "0.00", "0.00"]


async def test_a_recurring_child_divides_its_share_over_its_periods(
    act_as: ActAs, owner: Scope
) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "100")
    months = await plan(client, "Months", "0", type="monthly", parent_id=top["id"])
    body = ON | {"method": "by_weight", "weights": [{"budget_id": months["id"], "weight": "1"}]}
    await client.post(f"/api/budgets/{top['id']}/allocate", json=body)
    amounts = [
        p["amount"] for p in (await client.get(f"/api/budgets/{months['id']}")).json()["periods"]
    ]
    assert amounts == ["8.34"] * 4 + ["8.33"] * 8


async def test_by_weight_and_by_history(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    top = await plan(client, "Top", "90")
    one, two, three = [await plan(client, n, "0", parent_id=top["id"]) for n in ("1", "2", "3")]
    place = f"/api/budgets/{top['id']}/allocate"
    weights = [{"budget_id": one["id"], "weight": "2"}, {"budget_id": three["id"], "weight": "1"}]
    weighed = await client.post(place, json=ON | {"method": "by_weight", "weights": weights})
    assert [s["amount"] for s in weighed.json()["shares"]] == ["60.00", "0.00", "30.00"]

    history = {"method": "by_history", "history_from": "2025-04-01", "history_to": "2025-04-30"}
    nothing = await client.post(place, json=ON | history)
    assert_problem(nothing, 409, "conflict")
    await spend(client, books.account.id, "10", budget_id=one["id"])
    await spend(client, books.account.id, "20", budget_id=two["id"])
    await spend(client, books.account.id, "50", budget_id=two["id"], date="2025-05-01")
    spent = await client.post(place, json=ON | history)
    assert [s["amount"] for s in spent.json()["shares"]] == ["30.00", "60.00", "0.00"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"method": "by_luck"}, "#/method"),
        ({"method": "evenly", "amount": "90.01"}, "#/amount"),
        ({"method": "evenly", "on": "2031-01-01"}, "#/on"),
        (
            {"method": "by_weight", "weights": [{"budget_id": str(uuid4()), "weight": "1"}]},
            "#/weights/0/budget_id",
        ),
        (
            {"method": "by_history", "history_from": "2025-02-01", "history_to": "2025-01-31"},
            "#/history_to",
        ),
    ],
)
async def test_bad_allocations_are_pointed_at(
    act_as: ActAs, owner: Scope, body: dict[str, Any], pointer: str
) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "90")
    await plan(client, "Child", "0", parent_id=top["id"])
    answer = await client.post(f"/api/budgets/{top['id']}/allocate", json=ON | body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_child_keeps_enough_for_its_own(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "100")
    one = await plan(client, "One", "90", parent_id=top["id"])
    await plan(client, "Two", "0", parent_id=top["id"])
    await plan(client, "Below", "80", parent_id=one["id"])
    place = f"/api/budgets/{top['id']}/allocate"
    answer = await client.post(place, json=ON | {"method": "evenly"})
    assert_problem(answer, 422, "invalid-input", "#/amount")
    assert (await client.get(f"/api/budgets/{one['id']}")).json()["amount"] == "90.00"


async def test_every_child_must_be_ones_own(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        top = await add_budget(session, member.user_id)
        await add_budget(session, member.user_id, parent_id=top.id, amount=0)
        hidden = await add_budget(session, owner.user_id, parent_id=top.id, amount=0)
    client = act_as(member)
    refused = await client.post(f"/api/budgets/{top.id}/allocate", json=ON | {"method": "evenly"})
    assert_problem(refused, 403, "forbidden")
    for identity in (hidden.id, uuid4()):
        place = f"/api/budgets/{identity}/allocate"
        answer = await client.post(place, json=ON | {"method": "evenly"})
        assert_problem(answer, 404, "not-found")
    barren = await act_as(owner).post(
        f"/api/budgets/{hidden.id}/allocate", json=ON | {"method": "evenly"}
    )
    assert_problem(barren, 409, "conflict")
