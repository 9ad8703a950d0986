from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.identity.models import Organization
from backend.periods import today_in
from backend.scope import Role
from tests.api.audit import entries_of
from tests.api.books import Books, open_books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import add_account, make_member, make_organization, share_account


def place(account_id: object, on: object = "2025-03-10") -> str:
    return f"/api/accounts/{account_id}/balances/{on}"


async def test_a_balance_is_put_read_put_again_and_deleted(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    here = place(books.account.id)
    assert_problem(await client.get(here), 404, "not-found")
    first = await client.put(here, json={"balance": "-12.5"})
    assert first.status_code == 201
    assert first.json() == {"date": "2025-03-10", "balance": "-12.50", "currency": "EUR"}
    second = await client.put(here, json={"balance": 0})
    assert (second.status_code, second.json()["balance"]) == (200, "0.00")
    assert (await client.get(here)).json() == second.json()
    gone = await client.delete(here)
    assert gone.status_code == 204
    assert_problem(await client.delete(here), 404, "not-found")
    told = [
        (entry.action, entry.object_type, entry.object_id, payload.before, payload.after)
        for answer in (first, second, gone)
        for entry, payload in await entries_of(engine, books.scope, answer)
    ]
    state = {"account_id": str(books.account.id), "date": "2025-03-10", "balance": "-12.5000"}
    later = state | {"balance": "0.0000"}
    assert told == [
        ("create", "balance", books.account.id, None, state),
        ("update", "balance", books.account.id, state, later),
        ("delete", "balance", books.account.id, later, None),
    ]


async def test_lists_are_walked_and_cut_to_days(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    days = ["2025-01-31", "2025-02-28", "2025-03-31"]
    for n, day in enumerate(days):
        await client.put(place(books.account.id, day), json={"balance": f"{n}"})
    path = f"/api/accounts/{books.account.id}/balances"

    async def listed(**query: Any) -> list[str]:
        return [b["date"] for b in (await client.get(path, params=query)).json()["items"]]

    assert await listed() == days[::-1]
    assert await listed(from_date="2025-02-28", to_date="2025-03-30") == days[1:2]
    page = (await client.get(path, params={"limit": 2})).json()
    assert await listed(limit=2, cursor=page["next_cursor"]) == days[:1]
    answer = await client.get(path, params={"from_date": "2025-02-01", "to_date": "2025-01-01"})
    assert_problem(answer, 422, "invalid-input", "to_date")


@pytest.mark.parametrize(
    ("on", "body", "pointer"),
    [
        ("2025-03-10", {}, "#/balance"),
        ("2025-03-10", {"balance": None}, "#/balance"),
        ("2025-03-10", {"balance": "1.001"}, "#/balance"),
        ("2025-03-10", {"balance": "--1"}, "#/balance"),
        ("2025-03-10", {"balance": "NaN"}, "#/balance"),
        ("2025-03-10", {"balance": "1", "currency": "EUR"}, "#/currency"),
        ("2025-02-30", {"balance": "1"}, "date"),
        ("yesterday", {"balance": "1"}, "date"),
        ("1899-12-31", {"balance": "1"}, "date"),
        ("2199-01-01", {"balance": "1"}, "date"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, books: Books, on: str, body: dict[str, Any], pointer: str
) -> None:
    client = act_as(books.scope)
    answer = await client.put(place(books.account.id, on), json=body)
    assert_problem(answer, 422, "invalid-input", pointer)
    path = f"/api/accounts/{books.account.id}/balances"
    assert (await client.get(path)).json()["items"] == []


@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
async def test_today_is_the_last_day_where_the_organization_is(
    act_as: ActAs, engine: AsyncEngine, time_zone: str
) -> None:
    organization_id = await make_organization(engine)
    async with organization_session(engine, organization_id) as session:
        await session.execute(update(Organization).values(time_zone=time_zone))
    books = await open_books(engine, await make_member(engine, organization_id))
    client = act_as(books.scope)
    today = today_in(time_zone, datetime.now(UTC))
    tomorrow = today + timedelta(days=1)
    answer = await client.put(place(books.account.id, today), json={"balance": "1"})
    assert answer.status_code == 201
    answer = await client.put(place(books.account.id, tomorrow), json={"balance": "1"})
    assert_problem(answer, 422, "invalid-input", "date")


async def test_who_may_book_on_an_account_may_say_what_it_held(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    organization_id = books.scope.organization_id
    sharing, viewer, stranger = [
        await make_member(engine, organization_id, role)
        for role in (Role.MEMBER, Role.VIEWER, Role.MEMBER)
    ]
    foreign = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, organization_id) as session:
        for user in (sharing, viewer):
            await share_account(session, books.account.id, user.user_id)
        other = await add_account(session, books.scope.user_id)
    here, body = place(books.account.id), {"balance": "1"}
    assert (await act_as(sharing).put(here, json=body)).status_code == 201
    assert (await act_as(viewer).get(here)).json()["balance"] == "1.00"
    assert_problem(await act_as(viewer).put(here, json=body), 403, "forbidden")
    assert_problem(await act_as(viewer).delete(here), 403, "forbidden")
    assert_problem(await act_as(sharing).put(place(other.id), json=body), 404, "not-found")
    for scope in (stranger, foreign):
        client = act_as(scope)
        for path in (here, place(uuid4())):
            assert_problem(await client.get(path), 404, "not-found")
            assert_problem(await client.put(path, json=body), 404, "not-found")
            assert_problem(await client.delete(path), 404, "not-found")
            assert_problem(await client.get(path.rpartition("/")[0]), 404, "not-found")
