from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import Budget, BudgetShare
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_budget,
    add_transaction,
    make_member,
    make_organization,
)

NOBODYS = "00000000-0000-0000-0000-000000000000"
MARKETING = {
    "name": "Marketing",
    "level": "department",
    "type": "quarterly",
    "amount": "30000",
    "currency": "EUR",
    "starts_on": "2025-01-01",
    "ends_on": "2025-08-31",
}


async def budget_of(engine: AsyncEngine, scope: Scope, **values: Any) -> Budget:
    async with organization_session(engine, scope.organization_id) as session:
        return await add_budget(session, scope.user_id, **values)


async def share(engine: AsyncEngine, budget: Budget, user_id: UUID) -> None:
    async with organization_session(engine, budget.organization_id) as session:
        session.add(BudgetShare(budget_id=budget.id, user_id=user_id))


async def test_a_budget_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = await client.post("/api/budgets", json=MARKETING)
    assert made.status_code == 201
    budget = made.json()
    expected = MARKETING | {"amount": "30000.00", "owner_id": str(owner.user_id)}
    assert budget | expected == budget
    assert (budget["warning_threshold"], budget["critical_threshold"]) == (75, 90)
    assert (budget["parent_id"], budget["archived_at"]) == (None, None)
    assert [(p["starts_on"], p["ends_on"], p["amount"]) for p in budget["periods"]] == [
        ("2025-01-01", "2025-03-31", "30000.00"),
        ("2025-04-01", "2025-06-30", "30000.00"),
        ("2025-07-01", "2025-08-31", "30000.00"),
    ]
    place = made.headers["location"]
    assert (await client.get(place)).json() == budget

    change = {"amount": "10.5", "type": "custom", "ends_on": "2025-01-31"}
    changed = (await client.patch(place, json=change)).json()
    assert changed["periods"] == [
        {
            "starts_on": "2025-01-01",
            "ends_on": "2025-01-31",
            "amount": "10.50",
            "carried": "0.00",
            "currency": "EUR",
        }
    ]
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


async def test_a_budget_is_archived_and_brought_back(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = (await client.post("/api/budgets", json=MARKETING)).json()
    place = f"/api/budgets/{made['id']}"
    archived = (await client.patch(place, json={"archived": True})).json()
    assert archived["archived_at"] is not None
    assert archived["periods"] == made["periods"]
    again = (await client.patch(place, json={"archived": True})).json()
    assert again["archived_at"] == archived["archived_at"]

    async def listed(flag: str) -> int:
        answer = await client.get("/api/budgets", params={"archived": flag})
        return len(answer.json()["items"])

    assert (await listed("true"), await listed("false")) == (1, 0)
    back = (await client.patch(place, json={"archived": False})).json()
    assert back["archived_at"] is None


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"amount": "-0.01"}, ["#/amount"]),
        ({"level": "village"}, ["#/level"]),
        ({"type": "weekly"}, ["#/type"]),
        ({"currency": "EURO"}, ["#/currency"]),
        ({"starts_on": "2025-09-01"}, ["#/ends_on"]),
        ({"ends_on": "31 August"}, ["#/ends_on"]),
        ({"type": "monthly", "starts_on": "1900-01-01", "ends_on": "2199-01-01"}, ["#/ends_on"]),
        ({"warning_threshold": 0}, ["#/warning_threshold"]),
        ({"warning_threshold": 95}, ["#/critical_threshold"]),
        ({"critical_threshold": 10**30}, ["#/critical_threshold"]),
        ({"parent_id": NOBODYS}, ["#/parent_id"]),
        ({"owner_id": NOBODYS}, ["#/owner_id"]),
        ({"name": "", "amount": None}, ["#/name", "#/amount"]),
        ({"spent": "1"}, ["#/spent"]),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointers: list[str]
) -> None:
    answer = await act_as(owner).post("/api/budgets", json=MARKETING | change)
    assert_problem(answer, 422, "invalid-input", *pointers)


async def test_a_patch_is_checked_against_what_stays(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    place = (await client.post("/api/budgets", json=MARKETING)).headers["location"]
    answer = await client.patch(place, json={"ends_on": "2024-12-31"})
    assert_problem(answer, 422, "invalid-input", "#/ends_on")
    answer = await client.patch(place, json={"critical_threshold": 74})
    assert_problem(answer, 422, "invalid-input", "#/critical_threshold")
    answer = await client.patch(place, json={"currency": "USD"})
    assert_problem(answer, 422, "invalid-input", "#/currency")


async def test_budgets_are_a_tree_without_circles(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    client = act_as(owner)
    ids: list[str] = []
    for name in ("top", "middle", "bottom"):
        parent = ids[-1] if ids else None
        body = MARKETING | {"name": name, "parent_id": parent}
        ids.append((await client.post("/api/budgets", json=body)).json()["id"])
    top, middle, bottom = ids
    children = (await client.get("/api/budgets", params={"parent_id": top})).json()["items"]
    assert [c["name"] for c in children] == ["middle"]
    for parent in ids:
        answer = await client.patch(f"/api/budgets/{top}", json={"parent_id": parent})
        assert_problem(answer, 422, "invalid-input", "#/parent_id")
    assert_problem(await client.delete(f"/api/budgets/{middle}"), 409, "conflict")

    moved = await client.patch(f"/api/budgets/{bottom}", json={"parent_id": None})
    assert moved.json()["parent_id"] is None
    async with organization_session(engine, owner.organization_id) as session:
        roots = dict((await session.execute(select(Budget.name, Budget.root_id))).all())
    assert {name: str(root) for name, root in roots.items()} == {
        "top": top,
        "middle": top,
        "bottom": bottom,
    }


async def test_a_budget_in_use_is_kept(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    budget = await budget_of(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
        await add_transaction(session, account.id, budget_id=budget.id)
    answer = await act_as(owner).delete(f"/api/budgets/{budget.id}")
    assert assert_problem(answer, 409, "conflict") == "It is still used by transactions."


async def test_lists_are_filtered_and_walked(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    await budget_of(engine, owner, name="Ads", level="campaign", type="campaign")
    await budget_of(engine, owner, name="Berlin", level="region")
    await budget_of(engine, member, name="Cloud", level="service", type="monthly")
    client = act_as(owner)

    async def names(**query: Any) -> list[str]:
        listed = await client.get("/api/budgets", params=query)
        return [b["name"] for b in listed.json()["items"]]

    assert await names() == ["Ads", "Berlin", "Cloud"]
    assert await names(level="region") == ["Berlin"]
    assert await names(type="monthly") == ["Cloud"]
    assert await names(q="l") == ["Berlin", "Cloud"]
    assert await names(owner_id=str(member.user_id)) == ["Cloud"]
    first = (await client.get("/api/budgets", params={"limit": 2})).json()
    assert [b["name"] for b in first["items"]] == ["Ads", "Berlin"]
    assert await names(limit=2, cursor=first["next_cursor"]) == ["Cloud"]


async def test_ancestors_that_are_not_theirs_to_see_are_never_named(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    secret = await budget_of(engine, owner, name="Secret")
    shared = await budget_of(engine, owner, name="Shared", parent_id=secret.id)
    await share(engine, shared, member.user_id)
    own = await budget_of(engine, member, name="Own", parent_id=secret.id)
    client = act_as(member)
    place = f"/api/budgets/{own.id}"
    answers = [
        await client.get("/api/budgets"),
        await client.get(f"/api/budgets/{shared.id}"),
        await client.get(place),
        # Sent back as it was shown: it is neither named nor lost.
        await client.patch(place, json={"name": "Mine", "parent_id": None}),
    ]
    assert [b["name"] for b in answers[0].json()["items"]] == ["Own", "Shared"]
    for answer in answers:
        assert answer.status_code == 200
        assert str(secret.id) not in json.dumps(answer.json())
    kept = (await act_as(owner).get(place)).json()
    assert (kept["name"], kept["parent_id"]) == ("Mine", str(secret.id))
    for query in ({"parent_id": str(secret.id)}, {"parent_id": str(uuid4())}):
        assert_problem(await client.get("/api/budgets", params=query), 404, "not-found")


async def test_a_member_plans_for_themselves(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    hidden, shared = [
        await budget_of(engine, owner, type="annual", amount=Decimal(90_000)) for _ in range(2)
    ]
    await share(engine, shared, member.user_id)
    client = act_as(member)
    made = await client.post("/api/budgets", json=MARKETING | {"parent_id": str(shared.id)})
    assert made.json()["parent_id"] == str(shared.id)
    assert made.json()["owner_id"] == str(member.user_id)
    under_hidden = await client.post("/api/budgets", json=MARKETING | {"parent_id": str(hidden.id)})
    assert_problem(under_hidden, 422, "invalid-input", "#/parent_id")
    place = f"/api/budgets/{shared.id}"
    assert_problem(await client.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")
    assert_problem(await client.put(f"{place}/shares/{member.user_id}"), 403, "forbidden")
    for_other = await client.post("/api/budgets", json=MARKETING | {"owner_id": str(owner.user_id)})
    assert_problem(for_other, 403, "forbidden")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
async def test_readers_write_nothing(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    reader = await make_member(engine, owner.organization_id, role)
    budget = await budget_of(engine, owner)
    await share(engine, budget, reader.user_id)
    client = act_as(reader)
    place = f"/api/budgets/{budget.id}"
    assert (await client.get(place)).status_code == 200
    assert_problem(await client.post("/api/budgets", json=MARKETING), 403, "forbidden")
    assert_problem(await client.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_sharing_takes_effect_at_once_and_ends_at_once(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    budget = await budget_of(engine, owner, starts_on=date(2025, 1, 1))
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    mine, theirs = act_as(owner), act_as(viewer)
    place = f"/api/budgets/{budget.id}"
    link = f"{place}/shares/{viewer.user_id}"
    assert_problem(await theirs.get(place), 404, "not-found")
    for _ in range(2):
        assert (await mine.put(link)).status_code == 204
    assert (await theirs.get(place)).status_code == 200
    assert (await mine.get(f"{place}/shares")).json() == {"user_ids": [str(viewer.user_id)]}
    assert_problem(await theirs.get(f"{place}/shares"), 403, "forbidden")
    for _ in range(2):
        assert (await mine.delete(link)).status_code == 204
    assert_problem(await theirs.get(place), 404, "not-found")
    stranger = await make_member(engine, await make_organization(engine))
    assert_problem(await mine.put(f"{place}/shares/{stranger.user_id}"), 404, "not-found")
    assert_problem(await mine.put(f"{place}/shares/{owner.user_id}"), 409, "conflict")


async def test_somebody_elses_budget_is_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine))
    theirs = await budget_of(engine, other)
    client = act_as(owner)
    details = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/budgets/{identity}"
        for answer in (
            await client.get(place),
            await client.patch(place, json={"name": "mine"}),
            await client.delete(place),
            await client.get(f"{place}/shares"),
            await client.put(f"{place}/shares/{owner.user_id}"),
            await client.delete(f"{place}/shares/{owner.user_id}"),
            await client.get("/api/budgets", params={"parent_id": str(identity)}),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such budget."}


async def test_deleted_expenses_do_not_keep_their_budget(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    budget = await budget_of(engine, owner)
    client = act_as(owner)
    place = f"/api/budgets/{budget.id}"
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id)
    parts = [{"amount": "4", "budget_id": str(budget.id)}, {"amount": "6"}]
    booked = []
    for named in ({"budget_id": str(budget.id)}, {"splits": parts}):
        body = {"account_id": str(account.id), "date": "2025-04-10", "amount": "10"}
        made = await client.post("/api/transactions", json=body | {"description": "x"} | named)
        booked.append(f"/api/transactions/{made.json()['id']}")
    await client.delete(booked[0])
    assert_problem(await client.delete(place), 409, "conflict")
    await client.delete(booked[1])
    assert (await client.delete(place)).status_code == 204
    for transaction in booked:
        restored = (await client.post(f"{transaction}/restore")).json()
        assert restored["budget_id"] is None
        assert [split["budget_id"] for split in restored["splits"]] in ([], [None, None])


@pytest.mark.parametrize("name", ["amount", "rollover_cap", "target_cpa"])
async def test_amounts_are_no_finer_than_their_currency(
    act_as: ActAs, owner: Scope, name: str
) -> None:
    client = act_as(owner)
    yen = MARKETING | {"currency": "JPY", "rollover_policy": "capped", "rollover_cap": "5"}
    refused = await client.post("/api/budgets", json=yen | {name: "10.1234"})
    assert_problem(refused, 422, "invalid-input", f"#/{name}")
    made = await client.post("/api/budgets", json=yen | {name: "10"})
    assert made.status_code == 201
    place = f"/api/budgets/{made.json()['id']}"
    for answer in (
        await client.patch(place, json={name: "10.5"}),
        await client.put(place, json=yen | {name: "10.5"}),
    ):
        assert_problem(answer, 422, "invalid-input", f"#/{name}")


async def test_money_of_budgets_is_no_finer_than_its_currency(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budgets = []
    for name in ("One", "Two"):
        made = await client.post("/api/budgets", json=MARKETING | {"name": name})
        budgets.append(made.json()["id"])
    place = f"/api/budgets/{budgets[0]}"
    fine = {"amount": "1.001", "on": "2025-02-01"}
    for answer in (
        await client.post(f"{place}/transfers", json=fine | {"to_budget_id": budgets[1]}),
        await client.post(f"{place}/allocate", json=fine | {"method": "evenly"}),
        await client.post(
            f"{place}/reservations", json={"amount": "1.001", "expected_on": "2025-02-01"}
        ),
        await client.post(
            "/api/budget-templates/project",
            json={"amount": "1.001", "currency": "EUR"}
            | {"starts_on": "2025-01-01", "ends_on": "2025-12-31"},
        ),
    ):
        assert_problem(answer, 422, "invalid-input", "#/amount")
