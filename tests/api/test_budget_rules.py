"""Matching rules of budgets through the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetRule
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import add_account, add_budget, make_member, share_account

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


async def assert_ended(
    engine: AsyncEngine, scope: Scope, answer: httpx.Response, budget: dict[str, Any], left: int
) -> None:
    """Every rule of the budget but `left`, which its revisions say and its version too."""
    assert answer.is_success, answer.text
    found = [
        (entry.action, payload.before, payload.after)
        for entry, payload in await entries_of(engine, scope, answer)
        if entry.object_id == UUID(budget["id"])
    ]
    ((action, before, after),) = found
    assert (action, len(after["rules"])) == ("update", left)
    assert before["rules"] == [
        {name: value for name, value in rule.items() if name != "id" and value is not None}
        for rule in budget["rules"]
    ]


async def test_a_rule_ends_when_the_budgets_owner_no_longer_sees_its_account(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    manager = act_as(books.scope)
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        own = await add_account(session, member.user_id)
        shared = await add_account(session, books.scope.user_id)
        await share_account(session, shared.id, member.user_id)
    client = act_as(member)
    rules = [{"account_id": str(account.id)} for account in (own, shared)]
    budget = await plan(client, "Mine", "100", rules=rules)
    place = f"/api/budgets/{budget['id']}"
    unshared = await manager.delete(f"/api/accounts/{shared.id}/shares/{member.user_id}")
    await assert_ended(engine, books.scope, unshared, budget, 1)
    after = (await client.get(place)).json()
    assert conditions(after) == rules[:1]
    assert after["version"] != budget["version"]

    given = await manager.patch(
        f"/api/accounts/{own.id}", json={"owner_id": str(books.scope.user_id)}
    )
    await assert_ended(engine, books.scope, given, after, 0)
    assert (await client.get(place)).json()["rules"] == []
    revisions = (await client.get(f"{place}/revisions")).json()["items"]
    assert [revision["action"] for revision in revisions] == ["update", "update", "create"]


async def test_a_rule_stays_where_its_account_stays_in_sight(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        own = await add_account(session, member.user_id)
        await share_account(session, own.id, member.user_id)
    client = act_as(member)
    budget = await plan(client, "Mine", "100", rules=[{"account_id": str(own.id)}])
    manager = act_as(books.scope)
    mine = await plan(manager, "Manager's", "100", rules=[{"account_id": str(own.id)}])
    body = {"owner_id": str(books.scope.user_id)}
    assert (await manager.patch(f"/api/accounts/{own.id}", json=body)).status_code == 200
    for kept in (budget, mine):
        now = (await manager.get(f"/api/budgets/{kept['id']}")).json()
        assert (now["rules"], now["version"]) == (kept["rules"], kept["version"])


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_rules_end_with_the_sight_of_the_whole_organization(
    act_as: ActAs, engine: AsyncEngine, books: Books, role: Role
) -> None:
    manager = await make_member(engine, books.scope.organization_id, Role.MANAGER)
    rules = [{"category_id": str(books.category.id)}, {"account_id": str(books.account.id)}]
    budget = await plan(act_as(manager), "Everybody's", "100", rules=rules)
    others = await plan(act_as(books.scope), "Other", "100", rules=rules)
    owner = act_as(books.scope)
    place = f"/api/members/{manager.user_id}"
    assert (await owner.patch(place, json={"role": "analyst"})).status_code == 200
    assert (await owner.get(f"/api/budgets/{budget['id']}")).json()["rules"] == budget["rules"]
    demoted = await owner.patch(place, json={"role": role})
    await assert_ended(engine, books.scope, demoted, budget, 0)
    assert (await owner.get(f"/api/budgets/{budget['id']}")).json()["rules"] == []
    assert (await owner.get(f"/api/budgets/{others['id']}")).json()["rules"] == others["rules"]


async def test_a_rule_ends_when_its_maker_leaves(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        await share_account(session, books.account.id, member.user_id)
    rules = [{"account_id": str(books.account.id)}]
    budget = await plan(act_as(member), "Given", "100", rules=rules)
    owner = act_as(books.scope)
    place = f"/api/budgets/{budget['id']}"
    body = {"owner_id": str(books.scope.user_id)}
    kept = (await owner.patch(place, json=body)).json()
    gone = await owner.delete(f"/api/members/{member.user_id}")
    await assert_ended(engine, books.scope, gone, kept, 0)
