"""Ten thousand transactions at once, and one that is wrong."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetAttribution
from backend.db.engine import organization_session
from backend.ledger.models import Transaction
from backend.scope import Role
from tests.api.audit import entries_of
from tests.api.books import NOBODYS, Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import add_account, make_member, make_organization

BULK = "/api/transactions:bulk"


async def send(
    client: httpx.AsyncClient, rows: list[dict[str, Any]], **query: Any
) -> httpx.Response:
    return await client.post(BULK, json={"transactions": rows}, params=query)


async def count(engine: AsyncEngine, books: Books) -> int:
    async with organization_session(engine, books.scope.organization_id) as session:
        return int(await session.scalar(select(func.count()).select_from(Transaction)) or 0)


async def test_rows_are_booked_as_one_by_one(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        savings = await add_account(session, books.scope.user_id, currency="USD")
    client = act_as(books.scope)
    rows = [
        books.expense(),
        books.expense(
            status="pending",
            category_id=str(books.category.id),
            budget_id=str(books.budget.id),
            tag_ids=[str(books.tag.id), str(books.tag.id)],
            vendor="Café",
            invoice_number="2025/17",
            payment_method="cash",
            external_id="1",
            auto_categorised=True,
            confidence=70,
        ),
        books.expense(
            splits=[
                {"amount": "10.00", "category_id": str(books.category.id)},
                {"amount": "2.50", "tag_id": str(books.tag.id), "description": "tip"},
            ]
        ),
        books.expense(kind="transfer", counter_account_id=str(savings.id)),
        books.expense(account_id=str(savings.id), kind="income"),
    ]
    answer = await send(client, rows)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["created"], told["duplicates"], told["failed"]) == (5, 0, 0)
    assert [(r["index"], r["status"], r["errors"]) for r in told["results"]] == [
        (n, "created", []) for n in range(5)
    ]
    ids = [r["id"] for r in told["results"]]
    assert ids == sorted(ids)
    many = [(await client.get(f"/api/transactions/{identity}")).json() for identity in ids]
    single = [await post(client, row | {"external_id": None}) for row in rows]
    for booked, alike in zip(many, single, strict=True):
        assert _told(booked) == _told(alike)
    assert [many[n]["currency"] for n in (0, 4)] == ["EUR", "USD"]
    assert many[1]["external_id"] == "1"
    async with organization_session(engine, books.scope.organization_id) as session:
        attributed = await session.scalars(select(BudgetAttribution.budget_id))
        assert list(attributed) == [books.budget.id] * 2

    entries = await entries_of(engine, books.scope, answer)
    assert {(e.action, e.object_type, str(e.object_id)) for e, _ in entries} == {
        ("create", "transaction", identity) for identity in ids
    }
    told_of = {str(entry.object_id): payload.after for entry, payload in entries}
    for booked, alike in zip(many, single, strict=True):
        answer = await client.patch(f"/api/transactions/{booked['id']}", json={"vendor": None})
        ((_, payload),) = await entries_of(engine, books.scope, answer)
        # What one write found is what the other left.
        assert payload.before == told_of[booked["id"]], alike


def _told(transaction: dict[str, Any]) -> dict[str, Any]:
    own = {"id", "external_id", "created_at", "updated_at", "version"}
    told = {k: v for k, v in transaction.items() if k not in own}
    splits = [{k: v for k, v in split.items() if k != "id"} for split in told["splits"]]
    return told | {"splits": splits}


BAD = [
    ({"account_id": NOBODYS}, "account_id"),
    ({"category_id": NOBODYS}, "category_id"),
    ({"budget_id": NOBODYS}, "budget_id"),
    ({"tag_ids": [NOBODYS]}, "tag_ids/0"),
    ({"splits": [{"amount": "12.50", "tag_id": NOBODYS}]}, "splits/0/tag_id"),
    ({"splits": [{"amount": "12.50", "budget_id": NOBODYS}]}, "splits/0/budget_id"),
    ({"splits": [{"amount": "12.49"}]}, "splits"),
    ({"currency": "JPY"}, "amount"),
    ({"currency": "JPY", "amount": "2", "splits": [{"amount": "2.0"}]}, None),
    ({"kind": "transfer", "counter_account_id": "own"}, "counter_account_id"),
    ({"counter_account_id": "own"}, "counter_account_id"),
    ({"external_id": "taken"}, "external_id"),
    ({"amount": "nothing"}, "amount"),
    ({"date": "2025-02-30"}, "date"),
    ({"vendro": "x"}, "vendro"),
    ({"description": None}, "description"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
async def test_one_bad_row_is_pointed_at(
    act_as: ActAs,
    books: Books,
    engine: AsyncEngine,
    change: dict[str, Any],
    field: str | None,
) -> None:
    client = act_as(books.scope)
    await post(client, books.expense(external_id="taken"))
    own = {k: str(books.account.id) if v == "own" else v for k, v in change.items()}
    rows = [books.expense(), books.expense(**own), books.expense()]
    if field is None:
        assert (await send(client, rows)).status_code == 201
        return
    place = f"#/transactions/1/{field}"
    assert_problem(await send(client, rows), 422, "invalid-input", place)
    assert await count(engine, books) == 1

    answer = await send(client, rows, atomic="false")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["created"], told["failed"]) == (2, 1)
    assert [r["status"] for r in told["results"]] == ["created", "failed", "created"]
    bad = told["results"][1]
    assert (bad["index"], bad["id"]) == (1, None)
    assert [fault["pointer"] for fault in bad["errors"]] == [place]
    assert await count(engine, books) == 3


async def test_every_fault_of_every_row_is_named(act_as: ActAs, books: Books) -> None:
    rows = [
        books.expense(amount="x", date="y"),
        books.expense(category_id=NOBODYS, tag_ids=[NOBODYS]),
        books.expense(currency="JPY"),
    ]
    client = act_as(books.scope)
    # What is malformed comes first: nothing can be looked up for it.
    first = ("#/transactions/0/amount", "#/transactions/0/date")
    assert_problem(await send(client, rows), 422, "invalid-input", *first)
    then = [f"#/transactions/{p}" for p in ("0/category_id", "0/tag_ids/0", "1/amount")]
    assert_problem(await send(client, rows[1:]), 422, "invalid-input", *then)
    told = (await send(client, [*rows, books.expense()], atomic="false")).json()
    assert [[e["pointer"][15:] for e in r["errors"]] for r in told["results"]] == [
        ["0/date", "0/amount"],
        ["1/category_id", "1/tag_ids/0"],
        ["2/amount"],
        [],
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"transactions": []},
        {"transactions": {}},
        {"transactions": "x"},
        {"transactions": None},
        [],
        {"transactions": [{}], "atomic": False},
    ],
)
async def test_what_is_no_bulk_is_refused(act_as: ActAs, books: Books, body: Any) -> None:
    answer = await act_as(books.scope).post(BULK, json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:outlay:problem:invalid-input"


@pytest.mark.parametrize("row", [None, 7, "x", [], {}])
async def test_what_is_no_row_is_a_fault_of_that_row(act_as: ActAs, books: Books, row: Any) -> None:
    client = act_as(books.scope)
    assert (await send(client, [row])).status_code == 422
    told = (await send(client, [books.expense(), row], atomic="false")).json()
    assert [r["status"] for r in told["results"]] == ["created", "failed"]
    assert all(e["pointer"].startswith("#/transactions/1") for e in told["results"][1]["errors"])


async def test_duplicates_can_be_left_out(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    client = act_as(books.scope)
    known = await post(client, books.expense(external_id="1"))
    rows = [
        books.expense(external_id="1"),
        books.expense(external_id="2"),
        books.expense(external_id="2", amount="99"),
        books.expense(external_id="3"),
    ]
    both = ("#/transactions/0/external_id", "#/transactions/2/external_id")
    assert_problem(await send(client, rows), 422, "invalid-input", *both)
    answer = await send(client, rows, skip_duplicates="true")
    assert answer.status_code == 201
    told = answer.json()
    assert (told["created"], told["duplicates"], told["failed"]) == (2, 2, 0)
    results = told["results"]
    assert [r["status"] for r in results] == ["duplicate", "created", "duplicate", "created"]
    assert (results[0]["id"], results[2]["id"]) == (known["id"], results[1]["id"])
    assert len(await entries_of(engine, books.scope, answer)) == 2
    # A second import of the same rows adds nothing, and one that was deleted may come again.
    more = [*rows, books.expense(external_id="4")]
    again = (await send(client, more, skip_duplicates="true", atomic="false")).json()
    assert (again["created"], again["duplicates"]) == (1, 4)
    await client.delete(f"/api/transactions/{known['id']}")
    after = (await send(client, rows, skip_duplicates="true")).json()
    assert [r["status"] for r in after["results"]] == ["created", *["duplicate"] * 3]


async def test_a_closed_account_takes_none(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        closed = await add_account(session, books.scope.user_id, status="closed")
    client = act_as(books.scope)
    rows = [
        books.expense(),
        books.expense(account_id=str(closed.id)),
        books.expense(kind="transfer", counter_account_id=str(closed.id)),
    ]
    places = ("#/transactions/1/account_id", "#/transactions/2/counter_account_id")
    assert_problem(await send(client, rows), 422, "invalid-input", *places)
    assert (await send(client, rows, atomic="false")).json()["created"] == 1


async def test_a_dry_run_leaves_nothing(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    client = act_as(books.scope)
    rows = [books.expense(tag_ids=[str(books.tag.id)], splits=[{"amount": "12.50"}])]
    answer = await send(client, rows, dry_run="true")
    assert (answer.status_code, answer.json()["created"]) == (201, 1)
    assert answer.headers["Outlay-Dry-Run"] == "true"
    assert await count(engine, books) == 0


async def test_a_key_books_once(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    client = act_as(books.scope)
    body, key = {"transactions": [books.expense()] * 3}, {"Idempotency-Key": "once"}
    first = await client.post(BULK, json=body, headers=key)
    second = await client.post(BULK, json=body, headers=key)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await count(engine, books) == 3


async def test_ten_thousand_rows_are_the_most(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    row = books.expense(category_id=str(books.category.id), description="x" * 500)
    answer = await send(client, [row] * 10_000)
    assert answer.status_code == 201
    assert answer.json()["created"] == 10_000
    assert len(answer.request.content) > 2**20
    assert_problem(await send(client, [row] * 10_001), 422, "invalid-input", "#/transactions")
    assert await count(engine, books) == 10_000


async def test_only_on_accounts_one_sees(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    organization_id = books.scope.organization_id
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    member = await make_member(engine, organization_id, Role.MEMBER)
    async with organization_session(engine, organization_id) as session:
        own = await add_account(session, member.user_id)
    rows = [
        books.expense(account_id=str(own.id)),
        books.expense(),  # the owner's, not shared
        books.expense(account_id=str(theirs.account.id)),
        books.expense(account_id=str(own.id), budget_id=str(books.budget.id)),
        books.expense(account_id=str(own.id), budget_id=str(theirs.budget.id)),
        books.expense(account_id=str(own.id), category_id=str(theirs.category.id)),
    ]
    told = (await send(act_as(member), rows, atomic="false")).json()
    assert [r["status"] for r in told["results"]] == ["created", *["failed"] * 5]
    assert len({e["detail"] for r in told["results"][1:3] for e in r["errors"]}) == 1
    assert len({e["detail"] for r in told["results"][3:5] for e in r["errors"]}) == 1


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
async def test_readers_book_nothing(
    act_as: ActAs, books: Books, engine: AsyncEngine, role: Role
) -> None:
    reader = await make_member(engine, books.scope.organization_id, role)
    assert_problem(await send(act_as(reader), [books.expense()]), 403, "forbidden")
