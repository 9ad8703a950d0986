"""Matching rules of budgets through the API, and rollover between their periods."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetRule
from backend.db.engine import organization_session
from backend.scope import Role
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import add_account, add_budget, make_member

CHILD = {"level": "team", "type": "custom", "currency": "EUR", "amount": "10", "name": "Mine"}
CHILD |= {"starts_on": "2025-01-01", "ends_on": "2025-12-31"}


def conditions(budget: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if k != "id" and v} for r in budget["rules"]]


async def test_rules_are_set_kept_and_replaced(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    by_category = {"category_id": str(books.category.id)}
    by_both = {"tag_id": str(books.tag.id), "account_id": str(books.account.id)}
    budget = await plan(client, "Budget", "100", rules=[by_category, by_both])
    assert conditions(budget) == [by_category, by_both]
    await spend(client, books.account.id, "7", category_id=str(books.category.id))
    await spend(client, books.account.id, "5", tag_ids=[str(books.tag.id)])
    assert (await figures(client, budget["id"]))["period"]["spent"] == "12.00"

    place = f"/api/budgets/{budget['id']}"
    by_service = {"service": "Compute", "region": "eu-central-1"}
    changed = (await client.patch(place, json={"rules": [by_service, by_category]})).json()
    assert conditions(changed) == [by_category, by_service]
    assert changed["rules"][0] == budget["rules"][0]
    assert changed["version"] != budget["version"]
    assert (await figures(client, budget["id"]))["period"]["spent"] == "7.00"
    same = (await client.patch(place, json={"name": "Renamed"})).json()
    assert same["rules"] == changed["rules"]
    assert (await client.put(place, json=CHILD)).json()["rules"] == []
    assert (await figures(client, budget["id"]))["period"]["spent"] == "0.00"


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({}, "#/rules/0"),
        ({"vendor": "x"}, "#/rules/0/vendor"),
        ({"service": " "}, "#/rules/0/service"),
        ({"category_id": str(uuid4())}, "#/rules/0/category_id"),
        ({"tag_id": str(uuid4())}, "#/rules/0/tag_id"),
        ({"account_id": str(uuid4())}, "#/rules/0/account_id"),
    ],
)
async def test_bad_rules_are_pointed_at(
    act_as: ActAs, books: Books, rule: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(books.scope).post("/api/budgets", json=CHILD | {"rules": [rule]})
    assert answer.status_code == 422
    assert pointer in {fault["pointer"] for fault in answer.json()["errors"]}


async def test_a_member_matches_only_accounts_that_they_see(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        own = await add_account(session, member.user_id)
    client = act_as(member)
    category = {"category_id": str(books.category.id)}
    whole = await client.post("/api/budgets", json=CHILD | {"rules": [category]})
    assert_problem(whole, 403, "forbidden", "#/rules/0/account_id")
    theirs = category | {"account_id": str(books.account.id)}
    hidden = await client.post("/api/budgets", json=CHILD | {"rules": [theirs]})
    assert_problem(hidden, 422, "invalid-input", "#/rules/0/account_id")
    mine = category | {"account_id": str(own.id)}
    made = await client.post("/api/budgets", json=CHILD | {"rules": [mine]})
    assert made.status_code == 201
    # A manager may give them more; they keep it, unshown, with what they send back.
    place = f"/api/budgets/{made.json()['id']}"
    await act_as(books.scope).patch(place, json={"rules": [mine, theirs]})
    shown = conditions((await client.get(place)).json())
    assert shown == [mine, category]
    kept = await client.patch(place, json={"rules": shown, "name": "Still mine"})
    assert conditions(kept.json()) == shown
    whole_again = (await act_as(books.scope).get(place)).json()
    assert conditions(whole_again) == [mine, theirs]


async def test_what_a_rule_names_is_kept(act_as: ActAs, engine: AsyncEngine, books: Books) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        budget = await add_budget(session, books.scope.user_id)
        session.add(BudgetRule(budget_id=budget.id, tag_id=books.tag.id))
    client = act_as(books.scope)
    refused = await client.delete(f"/api/tags/{books.tag.id}")
    assert assert_problem(refused, 409, "conflict") == "It is still used by budget rules."
    assert (await client.delete(f"/api/budgets/{budget.id}")).status_code == 204
    assert (await client.delete(f"/api/tags/{books.tag.id}")).status_code == 204


async def test_a_budget_with_reservations_is_kept(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    await reserve(client, books.budget.id, "1")
    refused = await client.delete(f"/api/budgets/{books.budget.id}")
    told = assert_problem(refused, 409, "conflict")
    assert told == "It is still used by budget reservations."


@pytest.mark.parametrize(
    ("policy", "carried"),
    [
        ("none", ["0.00", "0.00", "0.00"]),
        ("surplus", ["60.00", "0.00", "100.00"]),
        ("deficit", ["0.00", "-80.00", "0.00"]),
        ("both", ["60.00", "-20.00", "80.00"]),
        ("capped", ["50.00", "-30.00", "50.00"]),
    ],
)
async def test_periods_leave_the_next_what_the_policy_says(
    act_as: ActAs, books: Books, policy: str, carried: list[str]
) -> None:
    client = act_as(books.scope)
    cap = {"rollover_cap": "50"} if policy == "capped" else {}
    days = {"type": "monthly", "ends_on": "2025-06-30"}
    budget = await plan(client, "Months", "100", rollover_policy=policy, **cap, **days)
    place = f"/api/budgets/{budget['id']}"
    for amount, day in (("40", "2025-01-31"), ("180", "2025-02-01")):
        await spend(client, books.account.id, amount, budget_id=budget["id"], date=day)
    rolled = (await client.post(f"{place}/rollover?on=2025-04-15")).json()
    found = {p["starts_on"]: (p["carried"], p["amount"]) for p in rolled["periods"]}
    assert found["2025-01-01"] == ("0.00", "100.00")
    assert [found[f"2025-0{month}-01"][0] for month in (2, 3, 4)] == carried
    assert found["2025-04-01"][1] == f"{100 + float(carried[2]):.2f}"
    assert found["2025-05-01"] == ("0.00", "100.00")
    again = (await client.post(f"{place}/rollover?on=2025-04-15")).json()
    assert again["periods"] == rolled["periods"]


async def test_late_bookings_correct_what_was_carried(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    days = {"type": "monthly", "ends_on": "2025-06-30"}
    budget = await plan(client, "Months", "100", rollover_policy="both", **days)
    place = f"/api/budgets/{budget['id']}"
    await client.post(f"{place}/rollover?on=2025-02-15")
    late = {"budget_id": budget["id"], "date": "2025-01-31"}
    await spend(client, books.account.id, "250", **late)
    rolled = (await client.post(f"{place}/rollover?on=2025-02-15")).json()
    assert (rolled["periods"][1]["carried"], rolled["periods"][1]["amount"]) == (
        "-150.00",
        "-50.00",
    )
    period = (await figures(client, budget["id"], on="2025-02-15"))["period"]
    assert (period["allocated"], period["remaining"]) == ("-50.00", "-50.00")
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    assert_problem(await act_as(member).post(f"{place}/rollover"), 404, "not-found")
    bad = await client.post(f"{place}/rollover?on=soon")
    assert_problem(bad, 422, "invalid-input", "on")
