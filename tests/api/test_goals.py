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
from tests.api.plans import plan, spend
from tests.api.problem import assert_problem
from tests.factories import add_budget, make_member, make_organization

LEADS = {
    "name": "Leads",
    "type": "leads",
    "target": "300",
    "unit": "leads",
    "unit_value": "8",
    "starts_on": "2025-04-01",
    "deadline": "2025-04-30",
}


async def set_goal(client: httpx.AsyncClient, budget_id: object, **values: Any) -> dict[str, Any]:
    answer = await client.post("/api/goals", json=LEADS | {"budget_id": str(budget_id)} | values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def tell(
    client: httpx.AsyncClient, goal_id: str, source: str, value: str, **values: Any
) -> httpx.Response:
    body = {"source": source, "value": value} | values
    return await client.post(f"/api/goals/{goal_id}/progress", json=body)


async def test_a_goal_is_made_measured_changed_and_deleted(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Campaign", "1500")
    made = await client.post(f"/api/budgets/{budget['id']}/goals", json=LEADS)
    assert made.status_code == 201
    place = made.headers["location"]
    await spend(client, books.account.id, "500", budget_id=budget["id"])
    await tell(client, made.json()["id"], "ads", "60")
    await tell(client, made.json()["id"], "crm", "40")
    goal = (await client.get(f"{place}?on=2025-04-10")).json()
    assert (goal["current"], goal["target"], goal["unit"]) == ("100", "300", "leads")
    assert [(s["source"], s["value"]) for s in goal["sources"]] == [("ads", "60"), ("crm", "40")]
    assert (goal["progress_percent"], goal["pace"], goal["projected"]) == (33.33, "on_track", "300")
    assert (goal["value"], goal["roi_percent"], goal["cpa"]) == ("800.00", 60.0, "5.00")
    assert (goal["feasibility"], goal["currency"]) == (100, "EUR")
    assert goal["feasibility_reason"]

    changed = await client.patch(place, json={"target": "100", "name": "Fewer"})
    assert (changed.json()["pace"], changed.json()["name"]) == ("reached", "Fewer")
    put = await client.put(place, json=LEADS | {"unit_value": None})
    assert (put.json()["unit_value"], put.json()["target"]) == (None, "300")
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


async def test_a_source_tells_its_total_and_corrects_itself(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    goal = await set_goal(client, books.budget.id)
    noon = {"observed_at": "2025-04-10T12:00:00Z"}
    await tell(client, goal["id"], "ads", "60", **noon)
    await tell(client, goal["id"], "ads", "50", observed_at="2025-04-09T12:00:00Z")
    again = await tell(client, goal["id"], "ads", "65", note="Recounted", **noon)
    assert (again.status_code, again.json()["current"]) == (201, "65")
    page = (await client.get(f"/api/goals/{goal['id']}/progress?limit=1")).json()
    assert [(p["value"], p["note"]) for p in page["items"]] == [("65", "Recounted")]
    rest = {"cursor": page["next_cursor"]}
    page = (await client.get(f"/api/goals/{goal['id']}/progress", params=rest)).json()
    assert [p["value"] for p in page["items"]] == ["50"]
    assert page["next_cursor"] is None


async def test_revenue_is_worth_itself_and_what_lacks_a_rate_is_not_reckoned(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    goal = await set_goal(client, books.budget.id, type="revenue", unit_value=None, unit="EUR")
    await tell(client, goal["id"], "shop", "250.50")
    await spend(client, books.account.id, "100", budget_id=str(books.budget.id))
    place = f"/api/goals/{goal['id']}?on=2025-04-10"
    found = (await client.get(place)).json()
    assert (found["value"], found["roi_percent"]) == ("250.50", 150.5)
    await spend(client, books.account.id, "1", currency="JPY", budget_id=str(books.budget.id))
    found = (await client.get(place)).json()
    assert (found["value"], found["roi_percent"], found["cpa"]) == ("250.50", None, None)


async def test_goals_are_listed_by_deadline(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    other = await plan(client, "Other", "10")
    await set_goal(client, books.budget.id, name="Late", deadline="2025-12-01")
    await set_goal(client, other["id"], name="Soon", type="revenue")

    async def names(path: str = "/api/goals", **query: Any) -> list[str]:
        return [g["name"] for g in (await client.get(path, params=query)).json()["items"]]

    assert await names() == ["Soon", "Late"]
    assert await names(type="revenue") == ["Soon"]
    assert await names(q="lat") == ["Late"]
    assert await names(budget_id=other["id"]) == ["Soon"]
    assert await names(f"/api/budgets/{other['id']}/goals") == ["Soon"]
    first = (await client.get("/api/goals?limit=1")).json()
    assert await names(limit=1, cursor=first["next_cursor"]) == ["Late"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"target": "0"}, "#/target"),
        ({"type": "fame"}, "#/type"),
        ({"deadline": "2025-03-31"}, "#/deadline"),
        ({"deadline": None}, "#/deadline"),
        ({"unit_value": "-1"}, "#/unit_value"),
        ({"name": " "}, "#/name"),
        ({"budget_id": str(uuid4())}, "#/budget_id"),
        ({"current": "5"}, "#/current"),
    ],
)
async def test_bad_goals_are_pointed_at(
    act_as: ActAs, books: Books, change: dict[str, Any], pointer: str
) -> None:
    body = LEADS | {"budget_id": str(books.budget.id)} | change
    answer = await act_as(books.scope).post("/api/goals", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_bad_progress_is_pointed_at(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    goal = await set_goal(client, books.budget.id)
    for change, pointer in (
        ({"value": "-1"}, "#/value"),
        ({"source": ""}, "#/source"),
        ({"observed_at": "2099-01-01T00:00:00Z"}, "#/observed_at"),
        ({"observed_at": "yesterday"}, "#/observed_at"),
    ):
        body = {"source": "ads", "value": "1"} | change
        answer = await client.post(f"/api/goals/{goal['id']}/progress", json=body)
        assert_problem(answer, 422, "invalid-input", pointer)
    bad = await client.patch(f"/api/goals/{goal['id']}", json={"deadline": "2025-03-01"})
    assert_problem(bad, 422, "invalid-input", "#/deadline")


async def test_a_goal_is_as_visible_as_its_budget(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    friend = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        budget = await add_budget(session, owner.user_id)
        session.add(BudgetShare(budget_id=budget.id, user_id=friend.user_id))
    goal = await set_goal(act_as(owner), budget.id)
    place = f"/api/goals/{goal['id']}"
    shared = act_as(friend)
    assert (await shared.get(place)).status_code == 200
    assert (await tell(shared, goal["id"], "crm", "5")).status_code == 201
    assert_problem(await shared.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await shared.put(place, json=LEADS), 403, "forbidden")
    assert_problem(await shared.delete(place), 403, "forbidden")
    body = LEADS | {"budget_id": str(budget.id)}
    assert_problem(await shared.post("/api/goals", json=body), 403, "forbidden")

    stranger = await make_member(engine, await make_organization(engine))
    unseeing = await make_member(engine, owner.organization_id, Role.MEMBER)
    for outsider in (stranger, unseeing):
        client = act_as(outsider)
        for answer in (
            await client.get(place),
            await client.patch(place, json={"name": "x"}),
            await client.put(place, json=LEADS),
            await client.delete(place),
            await client.get(f"{place}/progress"),
            await tell(client, goal["id"], "crm", "5"),
            await client.get(f"/api/budgets/{budget.id}/goals"),
            await client.post(f"/api/budgets/{budget.id}/goals", json=LEADS),
            await client.get("/api/goals", params={"budget_id": str(budget.id)}),
        ):
            assert_problem(answer, 404, "not-found")
        assert (await client.get("/api/goals")).json()["items"] == []
        refused = await client.post("/api/goals", json=body)
        assert_problem(refused, 422, "invalid-input", "#/budget_id")


async def test_goals_of_any_size_can_be_shown(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Moon", "10")
    great = {"target": "99999999999999", "unit_value": "1000000000"}
    goal = await set_goal(client, budget["id"], **great)
    assert (await tell(client, goal["id"], "ads", "99999999999998")).status_code == 201
    await spend(client, books.account.id, "0.01", budget_id=budget["id"])
    assert (await client.get(f"/api/goals/{goal['id']}")).status_code == 200
    assert (await client.get("/api/goals")).status_code == 200


async def test_its_money_is_no_finer_than_the_currency(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    goal = await set_goal(client, budget["id"], type="revenue", target="300.50")
    place = f"/api/goals/{goal['id']}"
    for name in ("unit_value", "target"):
        body = LEADS | {"type": "revenue", name: "1.001"}
        for answer in (
            await client.post(f"/api/budgets/{budget['id']}/goals", json=body),
            await client.patch(place, json={name: "1.001"}),
        ):
            assert_problem(answer, 422, "invalid-input", f"#/{name}")
    # Leads are not money.
    assert (await client.patch(place, json={"type": "leads"})).status_code == 200
    assert (await client.patch(place, json={"target": "1.5"})).status_code == 200
