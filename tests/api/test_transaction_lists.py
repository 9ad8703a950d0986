from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger.models import Transaction
from tests.api.books import NOBODYS, Books, open_books
from tests.api.conftest import ActAs
from tests.api.plans import spend
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_category,
    add_split,
    add_transaction,
    make_member,
    make_organization,
)


async def test_lists_are_filtered(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    scope = books.scope
    async with organization_session(engine, scope.organization_id) as session:
        other = await add_account(session, scope.user_id)

        async def add(name: str, **values: Any) -> Transaction:
            account_id = values.pop("account_id", books.account.id)
            return await add_transaction(session, account_id, description=name, **values)

        await add("other account", account_id=other.id, date=date(2025, 1, 1))
        await add("category", category_id=books.category.id, date=date(2025, 1, 2))
        await add("tag", tag_ids=(books.tag.id,), date=date(2025, 1, 3))
        split = await add("split", date=date(2025, 1, 4))
        await add_split(
            session,
            split.id,
            split.amount,
            category_id=books.category.id,
            tag_id=books.tag.id,
            budget_id=books.budget.id,
        )
        await add("budget", budget_id=books.budget.id, date=date(2025, 1, 5))
        await add("income", kind="income", status="pending", date=date(2025, 1, 6))
        await add("50%", vendor="Big_Shop", date=date(2025, 1, 7))
    client = act_as(scope)

    async def found(**query: str) -> list[str]:
        answer = await client.get("/api/transactions", params={"sort": "date"} | query)
        return [t["description"] for t in answer.json()["items"]]

    everything = ["other account", "category", "tag", "split", "budget", "income", "50%"]
    assert await found() == everything
    assert await found(sort="-date") == everything[::-1]
    assert await found(account_id=str(other.id)) == ["other account"]
    assert await found(category_id=str(books.category.id)) == ["category", "split"]
    assert await found(tag_id=str(books.tag.id)) == ["tag", "split"]
    assert await found(budget_id=str(books.budget.id)) == ["split", "budget"]
    assert await found(kind="income") == ["income"]
    assert await found(status="pending") == ["income"]
    assert await found(from_date="2025-01-05", to_date="2025-01-06") == ["budget", "income"]
    assert await found(q="CATEG") == ["category"]
    assert await found(q="0%") == ["50%"]
    assert await found(q="g_s") == ["50%"]
    assert await found(q="e_t") == []


async def test_more_filters(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    scope = books.scope
    async with organization_session(engine, scope.organization_id) as session:
        below = await add_category(session, parent_id=books.category.id)
        deepest = await add_category(session, parent_id=below.id)

        async def add(name: str, **values: Any) -> Transaction:
            values.setdefault("category_id", books.category.id)
            return await add_transaction(session, books.account.id, description=name, **values)

        await add("a", category_id=below.id, amount=Decimal(3))
        await add("b", category_id=deepest.id, amount=Decimal(1), vendor="The Shop")
        await add("c", amount=Decimal(2), currency="USD", payment_method="cash", external_id="7")
        await add("d", auto_categorised=True, confidence=80, amount=Decimal(4))
        await add("e", category_id=None, amount=Decimal(5))
        half = await add("f", category_id=None, amount=Decimal(6))
        await add_split(session, half.id, Decimal(3), category_id=below.id)
        await add_split(session, half.id, Decimal(3))
        whole = await add("g", category_id=None, amount=Decimal(7))
        await add_split(session, whole.id, Decimal(7), category_id=deepest.id)
        gone = await add("h", amount=Decimal(8))
        gone.deleted_at = datetime.now(UTC)
    client = act_as(scope)

    async def found(**query: str) -> str:
        answer = await client.get("/api/transactions", params={"sort": "amount"} | query)
        assert answer.status_code == 200, answer.text
        return "".join(t["description"] for t in answer.json()["items"])

    assert await found() == "bcadefg"
    assert await found(sort="-amount") == "gfedacb"
    top = str(books.category.id)
    assert await found(category_id=top) == "cd"
    assert await found(category_id=top, include_subcategories="true") == "bcadfg"
    assert await found(category_id=str(below.id), include_subcategories="true") == "bafg"
    assert await found(uncategorised="true") == "ef"
    assert await found(vendor="the shop") == "b"
    assert await found(vendor="shop") == ""
    assert await found(currency="USD") == "c"
    assert await found(payment_method="cash") == "c"
    assert await found(external_id="7") == "c"
    assert await found(auto_categorised="true") == "d"
    assert await found(auto_categorised="false") == "bcaefg"
    assert await found(min_amount="2.00", max_amount="4") == "cad"
    assert await found(deleted="true") == "h"
    assert await found(deleted="true", uncategorised="true") == ""


@pytest.mark.parametrize("field", ["account_id", "category_id", "tag_id", "budget_id"])
async def test_filtering_by_what_is_not_ones_own(
    act_as: ActAs, books: Books, engine: AsyncEngine, field: str
) -> None:
    other = await open_books(engine, await make_member(engine, await make_organization(engine)))
    foreign = getattr(other, field.removesuffix("_id")).id
    client = act_as(books.scope)
    details = {
        assert_problem(
            await client.get("/api/transactions", params={field: str(identity)}), 404, "not-found"
        )
        for identity in (foreign, uuid4())
    }
    assert len(details) == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"account_id": "1' OR '1'='1"}, "account_id"),
        ({"from_date": "yesterday"}, "from_date"),
        ({"to_date": "99999-01-01"}, "to_date"),
        ({"from_date": "2025-02-01", "to_date": "2025-01-31"}, "to_date"),
        ({"min_amount": "2", "max_amount": "1.99"}, "max_amount"),
        ({"min_amount": "-1"}, "min_amount"),
        ({"currency": "QQQ"}, "currency"),
        ({"payment_method": "barter"}, "payment_method"),
        ({"deleted": "perhaps"}, "deleted"),
        ({"sort": "vendor"}, "sort"),
        ({"kind": "expense; DROP TABLE transactions"}, "kind"),
        ({"acount_id": NOBODYS}, "acount_id"),
        ({"limit": "1e3"}, "limit"),
        ({"limit": "9" * 30}, "limit"),
    ],
)
async def test_bad_parameters_of_a_list(
    act_as: ActAs, books: Books, query: dict[str, str], pointer: str
) -> None:
    answer = await act_as(books.scope).get("/api/transactions", params=query)
    assert_problem(answer, 422, "invalid-input", pointer)


@pytest.mark.parametrize("sort", ["date", "-date", "amount", "-amount"])
async def test_pages_hold_each_row_once_while_others_are_written(
    act_as: ActAs, books: Books, engine: AsyncEngine, sort: str
) -> None:
    organization_id = books.scope.organization_id
    async with organization_session(engine, organization_id) as session:
        rows = [
            await add_transaction(
                session,
                books.account.id,
                date=date(2025, 1, 1) + timedelta(days=n // 3),
                amount=Decimal(100 + n // 3),
            )
            for n in range(11)
        ]
    client = act_as(books.scope)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3, "sort": sort}
    while True:
        listed = (await client.get("/api/transactions", params=query)).json()
        seen += [t["id"] for t in listed["items"]]
        if listed["next_cursor"] is None:
            break
        query["cursor"] = listed["next_cursor"]
        async with organization_session(engine, organization_id) as session:
            # Before and after the whole list: neither shifts what is still to come.
            for day, amount in ((date(2024, 1, 1), 1), (date(2026, 1, 1), 999)):
                await add_transaction(session, books.account.id, date=day, amount=Decimal(amount))
    assert [i for i in seen if i in {str(r.id) for r in rows}] == [
        str(r.id) for r in sorted(rows, key=lambda r: (r.date, r.id), reverse=sort[0] == "-")
    ]
    assert len(seen) == len(set(seen))


async def test_a_cursor_does_not_fit_another_order(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        for _ in range(2):
            await add_transaction(session, books.account.id)
    client = act_as(books.scope)
    cursor = (await client.get("/api/transactions", params={"limit": 1})).json()["next_cursor"]
    answer = await client.get("/api/transactions", params={"cursor": cursor, "sort": "date"})
    assert_problem(answer, 422, "invalid-input", "cursor")


async def test_what_is_wholly_split_is_listed_where_its_parts_count(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    other = (await client.post("/api/categories", json={"name": "Elsewhere"})).json()["id"]
    whole = str(books.category.id)
    made = await spend(
        client,
        books.account.id,
        "10",
        category_id=whole,
        tag_ids=[str(books.tag.id)],
        splits=[{"amount": "4", "category_id": other}, {"amount": "6", "category_id": other}],
    )

    async def listed(**query: str) -> list[str]:
        answer = await client.get("/api/transactions", params=query)
        return [row["id"] for row in answer.json()["items"]]

    assert made["id"] not in await listed(category_id=whole)
    assert await listed(category_id=other) == [made["id"]]
    # Its splits have no tags of their own, so they have the transaction's.
    assert made["id"] in await listed(tag_id=str(books.tag.id))
