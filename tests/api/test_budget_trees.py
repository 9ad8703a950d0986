"""What must hold in a tree of budgets, and what is told when it would not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetShare
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve
from tests.api.problem import assert_problem
from tests.factories import add_budget, make_member

CHILD = {
    "name": "Child",
    "amount": "100",
    "level": "team",
    "type": "custom",
    "currency": "EUR",
    "starts_on": "2025-01-01",
    "ends_on": "2025-12-31",
}


@pytest.mark.parametrize(
    ("change", "pointer", "told"),
    [
        ({"amount": "100.01"}, "#/amount", "which has 100.00 EUR"),
        ({"starts_on": "2024-12-31"}, "#/starts_on", "begins on 2025-01-01"),
        ({"ends_on": "2026-01-01"}, "#/ends_on", "ends on 2025-12-31"),
        ({"currency": "USD"}, "#/currency", "is in EUR"),
        ({"type": "annual", "starts_on": "2025-02-01"}, None, None),
    ],
)
async def test_a_child_fits_into_its_parent(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str | None, told: str | None
) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "100")
    answer = await client.post("/api/budgets", json=CHILD | {"parent_id": top["id"]} | change)
    if pointer is None:
        assert answer.status_code == 201
    else:
        assert_problem(answer, 422, "invalid-input", pointer)
        assert told is not None
        assert told in answer.json()["errors"][0]["detail"]


async def test_periods_nest(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    quarters = await plan(client, "Quarters", "300", type="quarterly")
    place = {"parent_id": quarters["id"]}
    months = await plan(client, "Months", "100", type="monthly", **place)
    answer = await client.post("/api/budgets", json=CHILD | place | {"type": "annual"})
    assert_problem(answer, 422, "invalid-input", "#/type")
    more = await client.post("/api/budgets", json=CHILD | place | {"type": "monthly"})
    assert_problem(more, 422, "invalid-input", "#/amount")
    # The periods of the parent change under the child's.
    changed = await client.patch(f"/api/budgets/{quarters['id']}", json={"type": "monthly"})
    assert changed.status_code == 200
    assert len(changed.json()["periods"]) == 12
    assert months["periods"][0]["amount"] == "100.00"


async def test_children_may_come_to_more_only_where_that_is_allowed(
    act_as: ActAs, owner: Scope
) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "100")
    one = await plan(client, "One", "60", parent_id=top["id"])
    two = await plan(client, "Two", "40", parent_id=top["id"])
    place = f"/api/budgets/{one['id']}"
    refused = await client.patch(place, json={"amount": "60.01"})
    assert_problem(refused, 422, "invalid-input", "#/amount")
    assert "100.01 EUR" in refused.json()["errors"][0]["detail"]
    assert (await client.get(place)).json()["amount"] == "60.00"
    shrunk = await client.patch(f"/api/budgets/{top['id']}", json={"amount": "99.99"})
    assert_problem(shrunk, 422, "invalid-input", "#/amount")

    allow = {"allows_over_allocation": True}
    assert (await client.patch(f"/api/budgets/{top['id']}", json=allow)).status_code == 200
    assert (await client.patch(place, json={"amount": "500"})).status_code == 200
    forbid = {"allows_over_allocation": False}
    again = await client.patch(f"/api/budgets/{top['id']}", json=forbid)
    assert_problem(again, 422, "invalid-input", "#/allows_over_allocation")

    # An archived child takes no room, and needs it again when it comes back.
    await client.patch(place, json={"amount": "60"})
    await client.patch(f"/api/budgets/{two['id']}", json={"archived": True})
    await client.patch(f"/api/budgets/{top['id']}", json=forbid)
    assert (await client.patch(place, json={"amount": "100"})).status_code == 200
    back = await client.patch(f"/api/budgets/{two['id']}", json={"archived": False})
    assert_problem(back, 422, "invalid-input", "#/amount")


async def test_a_subtree_moves_whole_or_not_at_all(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    small = await plan(client, "Small", "50")
    large = await plan(client, "Large", "500")
    branch = await plan(client, "Branch", "80")
    leaf = await plan(client, "Leaf", "30", parent_id=branch["id"])
    place = f"/api/budgets/{branch['id']}"
    refused = await client.patch(place, json={"parent_id": small["id"]})
    assert_problem(refused, 422, "invalid-input", "#/parent_id")
    assert (await client.get(place)).json()["parent_id"] is None
    assert (await client.patch(place, json={"parent_id": large["id"]})).status_code == 200
    tree = (await client.get(f"/api/budgets/{large['id']}/tree")).json()["tree"]
    assert [c["id"] for c in tree["children"]] == [branch["id"]]
    assert [c["id"] for c in tree["children"][0]["children"]] == [leaf["id"]]


async def test_what_is_committed_stays_covered(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    assert (await reserve(client, budget["id"], "70")).status_code == 201
    place = f"/api/budgets/{budget['id']}"
    refused = await client.patch(place, json={"amount": "69.99"})
    assert_problem(refused, 422, "invalid-input", "#/amount")
    assert "70.00 EUR are committed" in refused.json()["errors"][0]["detail"]
    assert (await client.patch(place, json={"amount": "70"})).status_code == 200
    assert (await figures(client, budget["id"]))["period"]["remaining"] == "0.00"


async def test_ancestors_that_are_hidden_are_neither_named_nor_quantified(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        secret = await add_budget(session, owner.user_id, name="Secret", amount=777)
        own = await add_budget(session, member.user_id, name="Own", parent_id=secret.id, amount=5)
    client = act_as(member)
    answers = [
        await client.patch(f"/api/budgets/{own.id}", json={"amount": "778"}),
        await client.patch(f"/api/budgets/{own.id}", json={"ends_on": "2026-12-31"}),
        await client.patch(f"/api/budgets/{own.id}", json={"starts_on": "2024-12-31"}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        for told in ("Secret", "777", "778", "2025-01-01", "2025-12-31", str(secret.id)):
            assert told not in answer.text
    # Shown to them, it is.
    async with organization_session(engine, owner.organization_id) as session:
        session.add(BudgetShare(budget_id=secret.id, user_id=member.user_id))
    shown = await client.patch(f"/api/budgets/{own.id}", json={"amount": "778"})
    assert "777.00 EUR" in shown.text


async def test_a_budget_is_put_whole(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(
        client, "Old", "100", description="Words", target_roi="20", thresholds=[80, 20, 80]
    )
    assert budget["thresholds"] == [20, 80]
    place = f"/api/budgets/{budget['id']}"
    whole = CHILD | {"name": "New", "amount": "120"}
    put = await client.put(place, json=whole)
    assert put.status_code == 200
    new = put.json()
    assert (new["name"], new["amount"], new["description"]) == ("New", "120.00", None)
    assert (new["target_roi"], new["thresholds"]) == (None, [50, 75, 90, 100])
    assert new["owner_id"] == str(owner.user_id)
    assert new["periods"][0]["amount"] == "120.00"
    other = await client.put(place, json=whole | {"currency": "USD"})
    assert_problem(other, 422, "invalid-input", "#/currency")
    partial = {k: v for k, v in whole.items() if k != "name"}
    assert_problem(await client.put(place, json=partial), 422, "invalid-input", "#/name")
    stale = await client.put(place, json=whole, headers={"If-Match": '"old"'})
    assert_problem(stale, 412, "precondition-failed")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rollover_policy": "capped"}, "#/rollover_cap"),
        ({"rollover_cap": "5"}, "#/rollover_cap"),
        ({"thresholds": [0]}, "#/thresholds/0"),
        ({"allocated_hours": "-1"}, "#/allocated_hours"),
        ({"target_roi": "many"}, "#/target_roi"),
        ({"category_id": "00000000-0000-0000-0000-000000000000"}, "#/category_id"),
    ],
)
async def test_bad_plans_are_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/budgets", json=CHILD | change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_new_amount_leaves_periods_that_are_over(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    days = {"starts_on": "2025-01-01", "ends_on": "2043-12-31", "type": "annual"}
    budget = await plan(client, "Long", "100", **days)
    place = f"/api/budgets/{budget['id']}"
    changed = (await client.patch(place, json={"amount": "120"})).json()
    amounts = {p["starts_on"][:4]: p["amount"] for p in changed["periods"]}
    assert (amounts["2025"], amounts["2043"]) == ("100.00", "120.00")
    # Nothing else makes the periods anew.
    longer = (await client.patch(place, json={"ends_on": "2044-12-31"})).json()
    again = {p["starts_on"][:4]: p["amount"] for p in longer["periods"]}
    assert again == amounts | {"2044": "120.00"}


async def test_only_what_makes_it_worse_is_refused_of_what_is_over_committed(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "200")
    budget = await plan(client, "Budget", "100", parent_id=top["id"])
    place = f"/api/budgets/{budget['id']}"
    assert (await reserve(client, budget["id"], "90")).status_code == 201
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(
            text("UPDATE budget_periods SET amount = 50 WHERE budget_id = :id"),
            {"id": budget["id"]},
        )
    refused = await client.patch(place, json={"amount": "49"})
    assert_problem(refused, 422, "invalid-input", "#/amount")
    assert (await client.patch(place, json={"amount": "60"})).status_code == 200
    for unrelated in ({"allows_over_allocation": True}, {"parent_id": None}):
        assert (await client.patch(place, json=unrelated)).status_code == 200
    low = await plan(client, "Low", "60", allows_over_allocation=True)
    moved = await client.patch(place, json={"parent_id": low["id"]})
    assert_problem(moved, 422, "invalid-input", "#/parent_id")
    child = await client.post("/api/budgets", json=CHILD | {"parent_id": budget["id"]})
    assert child.status_code == 201
