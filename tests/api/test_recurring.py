from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger.recurring_booking import book_due
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.books import NOBODYS, Books, open_books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_budget,
    add_transaction,
    make_member,
    make_organization,
    share_account,
)


def today() -> date:
    return datetime.now(UTC).date()


PATH = "/api/recurring-expenses"


def rent(books: Books, **values: Any) -> dict[str, Any]:
    return {
        "account_id": str(books.account.id),
        "amount": "800.00",
        "description": "Rent",
        "frequency": "monthly",
        "starts_on": "2025-01-31",
    } | values


async def planned(client: httpx.AsyncClient, books: Books, **values: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=rent(books, **values))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_one_is_planned_with_everything_it_has(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    body = rent(
        books,
        kind="income",
        vendor="Landlord",
        category_id=str(books.category.id),
        budget_id=str(books.budget.id),
        tag_ids=[str(books.tag.id)],
        payment_method="bank_transfer",
        status_when_booked="pending",
        ends_on="2040-12-31",
        next_date="2025-02-01",
    )
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert made | body | {"next_date": "2025-02-28"} == made
    assert (made["currency"], made["status"], made["rrule"]) == ("EUR", "active", None)
    assert (await client.get(answer.headers["location"])).json() == made
    assert answer.headers["etag"] == f'"{made["version"]}"'
    listed = (await client.get(PATH, params={"account_id": str(books.account.id)})).json()
    assert listed == {"items": [made], "next_cursor": None}


async def test_without_a_next_date_nothing_of_the_past_is_due(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    before = today()
    made = await planned(client, books, frequency="daily", starts_on="2001-01-01")
    assert made["next_date"] in {before.isoformat(), today().isoformat()}
    later = (before + timedelta(days=40)).isoformat()
    assert (await planned(client, books, starts_on=later))["next_date"] == later


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"frequency": "hourly"}, "#/frequency"),
        ({"frequency": "rrule"}, "#/rrule"),
        ({"rrule": "FREQ=DAILY"}, "#/rrule"),
        ({"frequency": "rrule", "rrule": "FREQ=SECONDLY"}, "#/rrule"),
        ({"frequency": "rrule", "rrule": "FREQ=DAILY\nDTSTART:19700101"}, "#/rrule"),
        ({"frequency": "rrule", "rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "#/rrule"),
        ({"ends_on": "2025-01-30"}, "#/ends_on"),
        ({"starts_on": "31.01.2025"}, "#/starts_on"),
        ({"amount": "0"}, "#/amount"),
        ({"amount": "1.001"}, "#/amount"),
        ({"status_when_booked": "cancelled"}, "#/status_when_booked"),
        ({"account_id": NOBODYS}, "#/account_id"),
        ({"category_id": NOBODYS}, "#/category_id"),
        ({"budget_id": NOBODYS}, "#/budget_id"),
        ({"tag_ids": [NOBODYS]}, "#/tag_ids/0"),
        ({"kind": "transfer"}, "#/kind"),
        ({"surprise": 1}, "#/surprise"),
    ],
)
async def test_what_is_not_valid_is_refused(
    act_as: ActAs, books: Books, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(books.scope).post(PATH, json=rent(books, **change))
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_changed_schedule_goes_on_from_today(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    made = await planned(client, books)
    place = f"{PATH}/{made['id']}"
    renamed = (await client.patch(place, json={"description": "Flat", "tag_ids": []})).json()
    assert (renamed["description"], renamed["next_date"]) == ("Flat", made["next_date"])

    before = today()
    daily = (await client.patch(place, json={"frequency": "daily"})).json()
    assert daily["next_date"] in {before.isoformat(), today().isoformat()}
    ruled = {"frequency": "rrule", "rrule": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24"}
    yearly = (await client.patch(place, json=ruled)).json()
    assert yearly["next_date"][5:] == "12-24"
    # A date in the past is asked for by name.
    past = (await client.patch(place, json={"next_date": "2025-03-01"})).json()
    assert past["next_date"] == "2025-12-24"
    answer = await client.patch(place, json={"frequency": "monthly"})
    assert_problem(answer, 422, "invalid-input", "#/rrule")


async def test_one_ends_with_its_last_date_and_can_go_on(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    made = await planned(client, books, ends_on="2025-03-31")
    assert (made["status"], made["next_date"]) == ("ended", None)
    place = f"{PATH}/{made['id']}"
    for action in ("pause", "resume", "skip"):
        answer = await client.post(f"{place}/{action}", json={} if action == "resume" else None)
        assert_problem(answer, 409, "conflict")
    assert (await client.get(f"{place}/occurrences")).json() == {"dates": []}
    before = today()
    again = (await client.patch(place, json={"ends_on": None})).json()
    assert again["status"] == "active"
    assert again["next_date"] >= before.isoformat()


async def test_the_dates_to_come_and_skipping_one(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    made = await planned(client, books, next_date="2025-01-31")
    place = f"{PATH}/{made['id']}"
    dates = (await client.get(f"{place}/occurrences", params={"limit": 4})).json()["dates"]
    assert dates == ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]
    skipped = (await client.post(f"{place}/skip")).json()
    assert skipped["next_date"] == "2025-02-28"
    for bad in ("0", "101", "x"):
        answer = await client.get(f"{place}/occurrences", params={"limit": bad})
        assert_problem(answer, 422, "invalid-input", "limit")


async def test_pausing_leaves_out_what_comes_meanwhile(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    made = await planned(client, books, next_date="2025-01-31")
    place = f"{PATH}/{made['id']}"
    paused = (await client.post(f"{place}/pause")).json()
    assert (paused["status"], paused["paused_reason"]) == ("paused", None)
    assert_problem(await client.post(f"{place}/pause"), 409, "conflict")
    before = today()
    resumed = (await client.post(f"{place}/resume", json={})).json()
    assert resumed["status"] == "active"
    assert resumed["next_date"] >= before.isoformat()
    await client.post(f"{place}/pause")
    resumed = (await client.post(f"{place}/resume", json={"from_date": "2025-03-01"})).json()
    assert resumed["next_date"] == "2025-03-31", "what was missed is booked if that is wanted"


async def test_lists_are_filtered_and_paged(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    async with organization_session(engine, books.scope.organization_id) as session:
        other = await add_account(session, books.scope.user_id)
    first = await planned(client, books, next_date="2025-01-31")
    second = await planned(client, books, next_date="2025-02-28", account_id=str(other.id))
    third = await planned(client, books, ends_on="2025-02-01")

    async def found(**params: Any) -> list[str]:
        answer = await client.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await found() == [first["id"], second["id"], third["id"]]
    assert await found(account_id=str(other.id)) == [second["id"]]
    assert await found(status="ended") == [third["id"]]
    assert await found(due_before="2025-02-28") == [first["id"]]
    page = (await client.get(PATH, params={"limit": 2})).json()
    assert await found(cursor=page["next_cursor"]) == [third["id"]]
    assert_problem(await client.get(PATH, params={"account_id": NOBODYS}), 404, "not-found")


async def test_deleting_one_leaves_what_it_has_booked(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    made = await planned(client, books, next_date="2025-01-31")
    async with organization_session(engine, books.scope.organization_id) as session:
        await book_due(session, books.scope, date(2025, 2, 1))
    booked = (await client.get("/api/transactions")).json()["items"]
    assert len(booked) == 1
    assert (await client.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert_problem(await client.get(f"{PATH}/{made['id']}"), 404, "not-found")
    assert len((await client.get("/api/transactions")).json()["items"]) == 1


async def test_what_it_refers_to_cannot_be_deleted(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    await planned(client, books, category_id=str(books.category.id))
    for place in (f"/api/categories/{books.category.id}", f"/api/accounts/{books.account.id}"):
        assert_problem(await client.delete(place), 409, "conflict")


async def test_a_dry_run_and_a_stale_version_change_nothing(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    tried = await client.post(PATH, json=rent(books), params={"dry_run": "true"})
    assert tried.status_code == 201
    assert (await client.get(PATH)).json()["items"] == []
    made = await planned(client, books)
    place, seen = f"{PATH}/{made['id']}", {"If-Match": f'"{made["version"]}"'}
    assert (await client.patch(place, json={"amount": "1"}, headers=seen)).status_code == 200
    again = await client.patch(place, json={"amount": "2"}, headers=seen)
    assert_problem(again, 412, "precondition-failed")


async def test_others_see_and_change_it_as_they_do_its_account(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    organization = books.scope.organization_id
    people = {role: await make_member(engine, organization, role) for role in Role}
    async with organization_session(engine, organization) as session:
        for role in (Role.VIEWER, Role.MEMBER):
            await share_account(session, books.account.id, people[role].user_id)
        hidden = await add_account(session, books.scope.user_id)
    made = await planned(act_as(books.scope), books, budget_id=str(books.budget.id))
    secret = await planned(act_as(books.scope), books, account_id=str(hidden.id))
    place = f"{PATH}/{made['id']}"

    member = act_as(people[Role.MEMBER])
    shown = (await member.get(place)).json()
    assert shown["budget_id"] is None, "a budget they do not see"
    changed = await member.patch(place, json={"amount": "1", "budget_id": None})
    assert changed.status_code == 200
    kept = (await act_as(books.scope).get(place)).json()
    assert kept["budget_id"] == str(books.budget.id), "null only repeated what they were shown"
    assert_problem(await member.get(f"{PATH}/{secret['id']}"), 404, "not-found")
    assert_problem(await member.patch(f"{PATH}/{secret['id']}", json={}), 404, "not-found")
    moved = await member.patch(place, json={"account_id": str(hidden.id)})
    assert_problem(moved, 422, "invalid-input", "#/account_id")

    for role in (Role.VIEWER, Role.ANALYST):
        client = act_as(people[role])
        assert (await client.get(place)).status_code == 200
        assert_problem(await client.post(PATH, json=rent(books)), 403, "forbidden")
        assert_problem(await client.patch(place, json={"amount": "1"}), 403, "forbidden")
        assert_problem(await client.delete(place), 403, "forbidden")
        for action, body in (("pause", None), ("skip", None), ("resume", {})):
            answer = await client.post(f"{place}/{action}", json=body)
            assert_problem(answer, 403, "forbidden")


async def test_another_organizations_is_not_there(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    made = await planned(act_as(books.scope), books)
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    client = act_as(theirs.scope)
    for identity in (made["id"], NOBODYS):
        place = f"{PATH}/{identity}"
        answers = [
            await client.get(place),
            await client.get(f"{place}/occurrences"),
            await client.patch(place, json={"amount": "1"}),
            await client.delete(place),
            await client.post(f"{place}/pause"),
            await client.post(f"{place}/resume", json={}),
            await client.post(f"{place}/skip"),
        ]
        for answer in answers:
            assert_problem(answer, 404, "not-found")
    named = rent(theirs, account_id=str(books.account.id))
    assert_problem(await client.post(PATH, json=named), 422, "invalid-input", "#/account_id")
    assert (await client.get(PATH)).json()["items"] == []


async def test_writes_are_told_before_and_after(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    made = await planned(client, books)
    answer = await client.patch(f"{PATH}/{made['id']}", json={"tag_ids": [str(books.tag.id)]})
    ((entry, payload),) = await entries_of(engine, books.scope, answer)
    assert (entry.action, entry.object_type) == ("update", "recurring_expense")
    assert payload.before is not None
    assert payload.after is not None
    assert payload.before["tag_ids"] == []
    assert payload.after["tag_ids"] == [str(books.tag.id)]


async def _pay(engine: AsyncEngine, scope: Scope, account_id: Any, **values: Any) -> None:
    async with organization_session(engine, scope.organization_id) as session:
        for month in (3, 4, 5):
            await add_transaction(session, account_id, date=date(2025, month, 12), **values)


async def test_subscriptions_are_detected_in_what_the_caller_sees(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    scope = books.scope
    async with organization_session(engine, scope.organization_id) as session:
        hidden = (await add_account(session, scope.user_id)).id
        await add_budget(session, scope.user_id)
    member = await make_member(engine, scope.organization_id, Role.MEMBER)
    async with organization_session(engine, scope.organization_id) as session:
        await share_account(session, books.account.id, member.user_id)
    await _pay(engine, scope, books.account.id, vendor="Streamflix 0423")
    await _pay(engine, scope, hidden, vendor="Secret Club")
    await _pay(engine, scope, hidden, vendor="Salary", kind="income")
    await _pay(engine, scope, hidden, vendor="Refused", status="cancelled")
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    await _pay(engine, theirs.scope, theirs.account.id, vendor="Theirs")

    async def detected(who: Scope) -> list[dict[str, Any]]:
        answer = await act_as(who).get(f"{PATH}/detected", params={"on": "2025-06-01"})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    (found,) = await detected(member)
    assert found == {
        "account_id": str(books.account.id),
        "vendor": "Streamflix 0423",
        "frequency": "monthly",
        "amount": "10.00",
        "currency": "EUR",
        "occurrences": 3,
        "first_date": "2025-03-12",
        "last_date": "2025-05-12",
        "next_expected_date": "2025-06-12",
        "confidence": 81,
        "reasons": [
            "3 payments.",
            "2 of 2 gaps last 26 to 35 days.",
            "Their amounts differ by 0 %.",
        ],
        "recurring_id": None,
    }
    assert {d["vendor"] for d in await detected(scope)} == {"Streamflix 0423", "Secret Club"}
    made = await planned(act_as(scope), books, vendor="STREAMFLIX", amount="10")
    assert (await detected(member))[0]["recurring_id"] == made["id"]
    assert await detected(await make_member(engine, scope.organization_id, Role.VIEWER)) == []
    answer = await act_as(scope).get(f"{PATH}/detected", params={"on": "soon"})
    assert_problem(answer, 422, "invalid-input", "on")
