from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetShare
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import add_budget, make_member, make_organization


async def test_reserve_commit_and_settle(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Budget", "100")
    made = await reserve(client, budget["id"], "60", description="Ads")
    assert made.status_code == 201
    reservation, place = made.json(), made.headers["location"]
    assert (reservation["state"], reservation["amount"]) == ("reserved", "60.00")
    assert (await client.get(place)).json() == reservation

    async def money() -> tuple[str, str, str]:
        period = (await figures(client, budget["id"]))["period"]
        return period["spent"], period["committed"], period["remaining"]

    assert await money() == ("0.00", "60.00", "40.00")
    committed = await client.post(f"{place}/commit", json={})
    assert committed.json()["state"] == "committed"
    assert await money() == ("0.00", "60.00", "40.00")
    expense = await spend(client, books.account.id, "55", budget_id=budget["id"])
    settled = await client.post(f"{place}/commit", json={"transaction_id": expense["id"]})
    assert (settled.json()["state"], settled.json()["transaction_id"]) == (
        "settled",
        expense["id"],
    )
    assert await money() == ("55.00", "0.00", "45.00")
    for action in ("commit", "release"):
        assert_problem(await client.post(f"{place}/{action}", json={}), 409, "conflict")


async def test_released_money_is_free_again(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    first = await reserve(client, budget["id"], "60")
    short = await reserve(client, budget["id"], "40.01")
    assert "40.00 EUR are left" in assert_problem(short, 409, "conflict", "#/amount")
    place = first.headers["location"]
    assert (await client.post(f"{place}/release")).json()["state"] == "released"
    assert (await reserve(client, budget["id"], "100")).status_code == 201
    for action in ("commit", "release"):
        assert_problem(await client.post(f"{place}/{action}", json={}), 409, "conflict")
    listed = await client.get(f"/api/budgets/{budget['id']}/reservations")
    assert [r["state"] for r in listed.json()["items"]] == ["reserved", "released"]
    open_ones = await client.get(f"/api/budgets/{budget['id']}/reservations?open=true")
    assert [r["amount"] for r in open_ones.json()["items"]] == ["100.00"]


async def test_what_expires_is_free_again(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    made = await reserve(client, budget["id"], "100", expires_at="2099-01-01T00:00:00Z")
    firm = await reserve(client, budget["id"], "1")
    assert_problem(firm, 409, "conflict", "#/amount")
    async with organization_session(engine, owner.organization_id) as session:
        await session.execute(text("UPDATE budget_reservations SET expires_at = now()"))
    place = made.headers["location"]
    assert (await client.get(place)).json()["state"] == "expired"
    assert (await figures(client, budget["id"]))["period"]["committed"] == "0.00"
    assert_problem(await client.post(f"{place}/commit", json={}), 409, "conflict")
    assert (await reserve(client, budget["id"], "100")).status_code == 201
    assert (await client.post(f"{place}/release")).json()["state"] == "released"


async def test_every_ancestor_must_have_it_left(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    top = await plan(client, "Top", "100", allows_over_allocation=True)
    one = await plan(client, "One", "80", parent_id=top["id"])
    two = await plan(client, "Two", "80", parent_id=top["id"])
    await spend(client, books.account.id, "10", budget_id=top["id"])
    assert (await reserve(client, one["id"], "70")).status_code == 201
    refused = await reserve(client, two["id"], "20.01")
    told = assert_problem(refused, 409, "conflict", "#/amount")
    assert "20.00 EUR are left on “Top”" in told
    assert (await reserve(client, two["id"], "20")).status_code == 201
    found = await figures(client, top["id"])
    assert (found["period"]["committed"], found["period"]["remaining"]) == ("90.00", "0.00")


async def test_the_day_decides_the_period(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    months = await plan(client, "Months", "100", type="monthly")
    assert (await reserve(client, months["id"], "100")).status_code == 201
    assert_problem(await reserve(client, months["id"], "1"), 409, "conflict", "#/amount")
    may = await reserve(client, months["id"], "100", expected_on="2025-05-01")
    assert may.status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "0"}, "#/amount"),
        ({"amount": None}, "#/amount"),
        ({"expected_on": "2031-01-01"}, "#/expected_on"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "#/expires_at"),
        ({"state": "committed"}, "#/state"),
    ],
)
async def test_bad_reservations_are_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    body = {"amount": "1", "expected_on": "2025-04-20"} | change
    answer = await client.post(f"/api/budgets/{budget['id']}/reservations", json=body)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_an_archived_budget_takes_none(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    budget = await plan(client, "Budget", "100")
    await client.patch(f"/api/budgets/{budget['id']}", json={"archived": True})
    assert_problem(await reserve(client, budget["id"], "1"), 409, "conflict")


async def test_only_what_counts_in_the_budget_settles(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    top = await plan(client, "Top", "100")
    child = await plan(client, "Child", "50", parent_id=top["id"])
    below = await spend(client, books.account.id, "5", budget_id=child["id"])
    elsewhere = await spend(client, books.account.id, "5", budget_id=top["id"])
    place = (await reserve(client, child["id"], "5")).headers["location"]
    for identity in (elsewhere["id"], str(uuid4())):
        answer = await client.post(f"{place}/commit", json={"transaction_id": identity})
        assert_problem(answer, 422, "invalid-input", "#/transaction_id")
    above = (await reserve(client, top["id"], "5")).headers["location"]
    answer = await client.post(f"{above}/commit", json={"transaction_id": below["id"]})
    assert answer.json()["state"] == "settled"
    # An expense is the invoice of one reservation.
    again = await client.post(f"{place}/commit", json={"transaction_id": below["id"]})
    told = assert_problem(again, 409, "conflict")
    assert told == "The transaction settles another reservation."


@pytest.mark.parametrize("undone", ["deleted", "cancelled", "moved"])
async def test_it_is_settled_while_its_expense_counts(
    act_as: ActAs, books: Books, undone: str
) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Budget", "100")
    place = (await reserve(client, budget["id"], "60")).headers["location"]
    expense = await spend(client, books.account.id, "55", budget_id=budget["id"])
    other = await spend(client, books.account.id, "40", budget_id=budget["id"])
    await client.post(f"{place}/commit", json={"transaction_id": expense["id"]})
    booked = f"/api/transactions/{expense['id']}"
    if undone == "deleted":
        await client.delete(booked)
    else:
        change = {"status": "cancelled"} if undone == "cancelled" else {"budget_id": None}
        assert (await client.patch(booked, json=change)).status_code == 200
    assert (await client.get(place)).json()["state"] == "committed"
    period = (await figures(client, budget["id"]))["period"]
    assert (period["spent"], period["committed"]) == ("40.00", "60.00")
    listed = await client.get(f"/api/budgets/{budget['id']}/reservations?open=true")
    assert [r["state"] for r in listed.json()["items"]] == ["committed"]
    low = await client.patch(f"/api/budgets/{budget['id']}", json={"amount": "59"})
    assert_problem(low, 422, "invalid-input", "#/amount")
    if undone == "deleted":
        assert (await client.post(f"{booked}/restore")).status_code == 200
        assert (await client.get(place)).json()["state"] == "settled"
    elif undone == "moved":
        settled = await client.post(f"{place}/commit", json={"transaction_id": other["id"]})
        assert settled.json()["state"] == "settled"
    else:
        released = await client.post(f"{place}/release")
        assert (released.json()["state"], released.json()["transaction_id"]) == ("released", None)


async def test_hidden_ancestors_refuse_without_a_word_about_them(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        secret = await add_budget(session, owner.user_id, name="Secret", amount=41)
        own = await add_budget(session, member.user_id, parent_id=secret.id, amount=1000)
    answer = await reserve(act_as(member), own.id, "42")
    assert_problem(answer, 409, "conflict")
    for hidden in ("Secret", "41", str(secret.id)):
        assert hidden not in answer.json()["detail"]
    assert (await reserve(act_as(member), own.id, "41")).status_code == 201


async def test_who_may_reserve_and_decide(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    budget_owner, friend, other = [
        await make_member(engine, owner.organization_id, Role.MEMBER) for _ in range(3)
    ]
    async with organization_session(engine, owner.organization_id) as session:
        budget = await add_budget(session, budget_owner.user_id)
        for member in (friend, other):
            session.add(BudgetShare(budget_id=budget.id, user_id=member.user_id))
    places = [(await reserve(act_as(friend), budget.id, "1")).headers["location"] for _ in range(3)]
    for action in ("commit", "release"):
        refused = await act_as(other).post(f"{places[0]}/{action}", json={})
        assert_problem(refused, 403, "forbidden")
    for place, decider in zip(places, (friend, budget_owner, owner), strict=True):
        assert (await act_as(decider).post(f"{place}/release")).status_code == 200
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    stranger = await make_member(engine, await make_organization(engine))
    for outsider in (viewer, stranger):
        client = act_as(outsider)
        for answer in (
            await client.get(places[0]),
            await client.get(f"/api/budgets/{budget.id}/reservations"),
        ):
            assert_problem(answer, 404, "not-found")
    for action in ("commit", "release"):
        gone = await act_as(stranger).post(f"{places[0]}/{action}", json={})
        assert_problem(gone, 404, "not-found")
    assert_problem(await reserve(act_as(stranger), budget.id, "1"), 404, "not-found")
    assert_problem(await reserve(act_as(viewer), budget.id, "1"), 403, "forbidden")
    nowhere = await act_as(owner).get(f"/api/budgets/{budget.id}/reservations/{uuid4()}")
    assert_problem(nowhere, 404, "not-found")
