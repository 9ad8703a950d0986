from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger.models import Transaction
from backend.scope import Role
from tests.api.audit import entries_of
from tests.api.books import NOBODYS, Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_category,
    add_split,
    add_transaction,
    make_member,
    make_organization,
)

PATH = "/api/rules"


def rule(books: Books, **values: Any) -> dict[str, Any]:
    return {
        "name": "Trains",
        "vendor": {"match": "contains", "text": "rail"},
        "category_id": str(books.category.id),
    } | values


async def made(client: httpx.AsyncClient, books: Books, **values: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=rule(books, **values))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def another_category(engine: AsyncEngine, books: Books) -> str:
    async with organization_session(engine, books.scope.organization_id) as session:
        return str((await add_category(session)).id)


async def booked(engine: AsyncEngine, books: Books, **values: Any) -> str:
    async with organization_session(engine, books.scope.organization_id) as session:
        return str((await add_transaction(session, books.account.id, **values)).id)


async def categories(engine: AsyncEngine, books: Books) -> dict[str, str | None]:
    async with organization_session(engine, books.scope.organization_id) as session:
        rows = await session.execute(select(Transaction.id, Transaction.category_id))
        return {str(r.id): None if r.category_id is None else str(r.category_id) for r in rows}


async def test_a_rule_with_everything_it_can_have(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    body = rule(
        books,
        description={"match": "starts_with", "text": "Ticket"},
        min_amount="10",
        max_amount="99.9",
        account_id=str(books.account.id),
        kind="expense",
        active=False,
    )
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201
    found = answer.json()
    assert found | body == found
    assert found["position"] == 1
    assert (await client.get(answer.headers["location"])).json() == found
    changed = await client.patch(f"{PATH}/{found['id']}", json={"vendor": None, "active": True})
    assert changed.json() | {"vendor": None, "active": True} == changed.json()
    assert changed.json()["description"] == body["description"]
    assert (await client.delete(f"{PATH}/{found['id']}")).status_code == 204
    assert_problem(await client.get(f"{PATH}/{found['id']}"), 404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"vendor": None}, "#"),
        ({"vendor": {"match": "regex", "text": "(a+)+$"}}, "#/vendor/match"),
        ({"vendor": {"text": ""}}, "#/vendor/text"),
        ({"vendor": "rail"}, "#/vendor"),
        ({"min_amount": "2", "max_amount": "1"}, "#/max_amount"),
        ({"min_amount": "-1"}, "#/min_amount"),
        ({"kind": "transfer"}, "#/kind"),
        ({"category_id": NOBODYS}, "#/category_id"),
        ({"account_id": NOBODYS}, "#/account_id"),
        ({"name": ""}, "#/name"),
        ({"position": 1}, "#/position"),
    ],
)
async def test_what_is_not_valid_is_refused(
    act_as: ActAs, books: Books, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(books.scope).post(PATH, json=rule(books, **change))
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_the_last_condition_cannot_be_taken_away(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    found = await made(client, books)
    answer = await client.patch(f"{PATH}/{found['id']}", json={"vendor": None})
    assert_problem(answer, 422, "invalid-input", "#")


async def test_the_first_rule_that_is_met_decides(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    other = await another_category(engine, books)
    trains = await made(client, books)
    all_else = await made(
        client, books, vendor={"match": "starts_with", "text": "deutsche"}, category_id=other
    )
    expense = books.expense(vendor="Deutsche Rail")
    booked_now = await post(client, expense)
    assert booked_now["category_id"] == str(books.category.id)
    assert (booked_now["auto_categorised"], booked_now["confidence"]) == (True, 100)

    swapped = {"ids": [all_else["id"], trains["id"]]}
    assert (await client.put(f"{PATH}/order", json=swapped)).status_code == 204
    listed = (await client.get(PATH)).json()["items"]
    assert [r["id"] for r in listed] == swapped["ids"]
    assert [r["position"] for r in listed] == [1, 2]
    assert (await post(client, expense))["category_id"] == other

    await client.patch(f"{PATH}/{all_else['id']}", json={"active": False})
    assert (await post(client, expense))["category_id"] == str(books.category.id)
    chosen = await post(client, expense | {"category_id": other})
    assert (chosen["category_id"], chosen["auto_categorised"]) == (other, False)


@pytest.mark.parametrize(
    ("condition", "met", "not_met"),
    [
        ({"vendor": {"text": "RAIL"}}, {"vendor": "deutsche rail ag"}, {"vendor": "airline"}),
        ({"vendor": {"text": "rail"}}, {"vendor": "Rail"}, {"vendor": None}),
        ({"vendor": {"match": "equals", "text": "rail"}}, {"vendor": "RAIL"}, {"vendor": "rails"}),
        (
            {"vendor": {"match": "starts_with", "text": "ra"}},
            {"vendor": "Rail"},
            {"vendor": "a rail"},
        ),
        # No character means anything but itself.
        ({"vendor": {"text": "100%_"}}, {"vendor": "Milk 100%_ "}, {"vendor": "Milk 1000_x"}),
        ({"vendor": {"text": "a.*b\\"}}, {"vendor": "A.*B\\"}, {"vendor": "axxb\\"}),
        (
            {"vendor": None, "description": {"text": "lunch"}},
            {"description": "Lunch, two"},
            {"description": "Launch"},
        ),
        ({"vendor": None, "min_amount": "10"}, {"amount": "10.00"}, {"amount": "9.99"}),
        ({"vendor": None, "max_amount": "10"}, {"amount": "10.00"}, {"amount": "10.01"}),
        ({"vendor": None, "kind": "income"}, {"kind": "income"}, {"kind": "refund"}),
    ],
)
async def test_conditions(
    act_as: ActAs,
    books: Books,
    condition: dict[str, Any],
    met: dict[str, Any],
    not_met: dict[str, Any],
) -> None:
    client = act_as(books.scope)
    await made(client, books, **condition)
    assert (await post(client, books.expense(**met)))["category_id"] == str(books.category.id)
    assert (await post(client, books.expense(**not_met)))["category_id"] is None


async def test_accounts_are_told_apart_and_transfers_and_splits_left_alone(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    async with organization_session(engine, books.scope.organization_id) as session:
        other = await add_account(session, books.scope.user_id)
    await made(client, books, vendor=None, account_id=str(books.account.id))
    elsewhere = await post(client, books.expense(account_id=str(other.id)))
    transfer = await post(client, books.expense(kind="transfer", counter_account_id=str(other.id)))
    split = await post(client, books.expense(splits=[{"amount": "12.50"}]))
    assert {t["category_id"] for t in (elsewhere, transfer, split)} == {None}


async def test_bulk_bookings_meet_rules_too(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    await made(client, books)
    rows = [books.expense(vendor=f"{name} {n}") for n in range(20) for name in ("Rail", "Bus")]
    answer = await client.post("/api/transactions:bulk", json={"transactions": rows})
    assert answer.is_success, answer.text
    listed = (await client.get("/api/transactions", params={"limit": 100})).json()["items"]
    by_rule = {t["vendor"][:4]: (t["category_id"], t["auto_categorised"]) for t in listed}
    assert by_rule == {"Rail": (str(books.category.id), True), "Bus ": (None, False)}


async def test_an_order_names_every_rule_once(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    first, second = (await made(client, books))["id"], (await made(client, books))["id"]
    for ids in ([first], [first, second, second], [first, second, NOBODYS], []):
        answer = await client.put(f"{PATH}/order", json={"ids": ids})
        assert_problem(answer, 422, "invalid-input", "#/ids")
    third = await made(client, books)
    assert third["position"] == 3


async def test_a_preview_says_what_would_change_and_changes_nothing(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    other = await another_category(engine, books)
    old = await booked(engine, books, vendor="Rail", date=date(2025, 1, 1))
    new = await booked(engine, books, vendor="Rail", date=date(2025, 2, 1))
    await booked(engine, books, vendor="Rail", category_id=other)
    await booked(engine, books, vendor="Rail", category_id=books.category.id)
    await booked(engine, books, vendor="Bus")
    before = await categories(engine, books)

    tried = await client.post(f"{PATH}/preview", json={"rule": rule(books)})
    assert tried.status_code == 200, tried.text
    found = tried.json()
    assert (found["matching"], found["changing"]) == (4, 2)
    assert [s["id"] for s in found["samples"]] == [new, old]
    assert found["samples"][0]["amount"] == "10.00"
    assert (await client.get(PATH)).json()["items"] == []

    stored = f"{PATH}/{(await made(client, books))['id']}/preview"
    assert (await client.post(stored, json={})).json() == found
    over = (await client.post(stored, json={"overwrite": True})).json()
    assert (over["matching"], over["changing"]) == (4, 3)
    days = {"from_date": "2025-02-01", "to_date": "2025-02-28"}
    assert (await client.post(stored, json=days)).json()["changing"] == 1
    assert await categories(engine, books) == before
    bad = await client.post(f"{PATH}/preview", json={"rule": rule(books, category_id=NOBODYS)})
    assert_problem(bad, 422, "invalid-input", "#/category_id")


async def test_applying_rules_to_history_fills_what_is_empty(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    other = await another_category(engine, books)
    trains = await made(client, books)
    rest = await made(client, books, vendor=None, min_amount="0", category_id=other)
    rail = await booked(engine, books, vendor="Rail")
    bus = await booked(engine, books, vendor="Bus")
    chosen = await booked(engine, books, vendor="Rail", category_id=other)
    async with organization_session(engine, books.scope.organization_id) as session:
        split = await add_transaction(session, books.account.id, vendor="Rail")
        await add_split(session, split.id, Decimal("10.00"))
    before = await categories(engine, books)

    tried = await client.post(f"{PATH}/apply", json={}, params={"dry_run": "true"})
    assert tried.status_code == 200, tried.text
    assert await categories(engine, books) == before
    done = await client.post(f"{PATH}/apply", json={})
    assert done.json() == tried.json()
    assert done.json()["changed"] == 2
    assert {r["rule_id"]: r["changed"] for r in done.json()["rules"]} == {
        trains["id"]: 1,
        rest["id"]: 1,
    }
    assert await categories(engine, books) == before | {rail: str(books.category.id), bus: other}
    shown = (await client.get(f"/api/transactions/{rail}")).json()
    assert (shown["auto_categorised"], shown["confidence"]) == (True, 100)

    over = await client.post(f"{PATH}/apply", json={"overwrite": True})
    assert over.json() == {"changed": 1, "rules": [{"rule_id": trains["id"], "changed": 1}]}
    assert (await categories(engine, books))[chosen] == str(books.category.id)
    assert (await client.post(f"{PATH}/apply", json={})).json()["changed"] == 0


async def test_every_row_that_a_rule_changes_is_told(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    await made(client, books)
    rail = await booked(engine, books, vendor="Rail")
    answer = await client.post(f"{PATH}/apply", json={})
    entries = {e.action: (e, p) for e, p in await entries_of(engine, books.scope, answer)}
    entry, payload = entries["categorise"]
    assert str(entry.object_id) == rail
    assert payload.before is not None
    assert payload.after is not None
    shown = (await client.get(f"/api/transactions/{rail}")).json()
    assert payload.before["category_id"] is None
    for name in ("category_id", "auto_categorised", "confidence", "tag_ids"):
        assert payload.after[name] == shown[name]
    assert entries["apply"][1].after == {"overwrite": False, "changed": 1}


async def test_what_a_rule_names_goes_on_or_takes_it_along(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    async with organization_session(engine, books.scope.organization_id) as session:
        account = await add_account(session, books.scope.user_id)
    found = await made(client, books, account_id=str(account.id))
    answer = await client.delete(f"/api/categories/{books.category.id}")
    assert_problem(answer, 409, "conflict")
    assert (await client.delete(f"/api/accounts/{account.id}")).status_code == 204
    assert_problem(await client.get(f"{PATH}/{found['id']}"), 404, "not-found")


async def test_rules_are_read_by_all_and_written_for_the_whole_organization(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    found = await made(act_as(books.scope), books, account_id=str(books.account.id))
    place = f"{PATH}/{found['id']}"
    for role in (Role.MEMBER, Role.ANALYST, Role.VIEWER):
        client = act_as(await make_member(engine, books.scope.organization_id, role))
        shown = (await client.get(place)).json()
        visible = str(books.account.id) if role is Role.ANALYST else None
        assert shown["account_id"] == visible, "an account that they do not see is not named"
        assert len((await client.get(PATH)).json()["items"]) == 1
        refused = [
            await client.post(PATH, json=rule(books)),
            await client.patch(place, json={"name": "x"}),
            await client.delete(place),
            await client.put(f"{PATH}/order", json={"ids": [found["id"]]}),
            await client.post(f"{PATH}/preview", json={"rule": rule(books)}),
            await client.post(f"{place}/preview", json={}),
            await client.post(f"{PATH}/apply", json={}),
        ]
        for answer in refused:
            assert_problem(answer, 403, "forbidden")
    manager = act_as(await make_member(engine, books.scope.organization_id, Role.MANAGER))
    assert (await manager.patch(place, json={"name": "x"})).status_code == 200


async def test_another_organizations_rules_are_not_there_and_touch_nothing(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    found = await made(act_as(books.scope), books)
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    client = act_as(theirs.scope)
    for identity in (found["id"], NOBODYS):
        place = f"{PATH}/{identity}"
        answers = [
            await client.get(place),
            await client.patch(place, json={"name": "x"}),
            await client.delete(place),
            await client.post(f"{place}/preview", json={}),
        ]
        for answer in answers:
            assert_problem(answer, 404, "not-found")
    assert_problem(await client.post(PATH, json=rule(books)), 422, "invalid-input", "#/category_id")
    assert (await client.get(PATH)).json()["items"] == []
    row = await booked(engine, books, vendor="Rail")
    await made(client, theirs)
    assert (await client.post(f"{PATH}/apply", json={})).json()["changed"] == 0
    assert (await categories(engine, books))[row] is None
