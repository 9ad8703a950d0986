from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import Budget, BudgetAttribution
from backend.db.engine import organization_session
from backend.ledger.models import Account, Category, Tag, Transaction
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_budget,
    add_category,
    add_split,
    add_tag,
    add_transaction,
    make_member,
    make_organization,
    share_account,
)

NOBODYS = "00000000-0000-0000-0000-000000000000"


class Books:
    """One organization's account, category, tag and budget, all of them `scope`'s."""

    def __init__(
        self, scope: Scope, account: Account, category: Category, tag: Tag, budget: Budget
    ) -> None:
        self.scope = scope
        self.account, self.category, self.tag, self.budget = account, category, tag, budget

    def expense(self, **values: Any) -> dict[str, Any]:
        return {
            "account_id": str(self.account.id),
            "date": "2025-03-10",
            "amount": "12.50",
            "description": "Lunch",
        } | values


async def open_books(engine: AsyncEngine, scope: Scope) -> Books:
    async with organization_session(engine, scope.organization_id) as session:
        return Books(
            scope,
            await add_account(session, scope.user_id),
            await add_category(session),
            await add_tag(session),
            await add_budget(session, scope.user_id),
        )


@pytest.fixture
async def books(engine: AsyncEngine, owner: Scope) -> Books:
    return await open_books(engine, owner)


async def post(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/transactions", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_expense_is_booked_with_everything_it_has(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    body = books.expense(
        category_id=str(books.category.id),
        budget_id=str(books.budget.id),
        tag_ids=[str(books.tag.id)],
        vendor="Café",
        invoice_number="2025/17",
        payment_method="cash",
        external_id="line 1",
        status="pending",
    )
    answer = await client.post("/api/transactions", json=body)
    assert answer.status_code == 201
    booked = answer.json()
    assert booked | body == booked
    assert (booked["kind"], booked["currency"], booked["splits"]) == ("expense", "EUR", [])
    assert booked["created_by"] == str(books.scope.user_id)
    assert (await client.get(answer.headers["location"])).json() == booked
    # A 2xx means committed: another connection sees it.
    async with organization_session(engine, books.scope.organization_id) as session:
        row = await session.scalar(
            select(Transaction).where(Transaction.id == UUID(booked["id"]))
        )
        assert row is not None
        attributed = await session.scalar(select(BudgetAttribution.budget_id))
        assert attributed == books.budget.id


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ('"12.5"', "12.50"),
        ("12.5", "12.50"),
        ("12", "12.00"),
        ("0.1", "0.10"),
        ('"0.0001"', "0.0001"),
        ("1e-4", "0.0001"),
        ('"12345678901234.5678"', "12345678901234.5678"),
        ("99999999999.9999", "99999999999.9999"),
    ],
)
async def test_amounts_are_exact(act_as: ActAs, books: Books, sent: str, stored: str) -> None:
    body = json.dumps(books.expense(amount="?")).replace('"?"', sent)
    answer = await act_as(books.scope).post(
        "/api/transactions", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["amount"] == stored


@pytest.mark.parametrize(
    "sent",
    [
        "0", '"0.00"', "-1", '"-1"', '"1.00001"', "1.00001", '"100000000000000"', "1e300",
        "100000000000.5", "NaN", "Infinity", '"NaN"', '"1,50"', '"1_000"', '" 1"', '"１"', "true",
        "null", "[]", '""', "9" * 400,
    ],
)  # fmt: skip
async def test_what_is_no_amount_is_refused(act_as: ActAs, books: Books, sent: str) -> None:
    body = json.dumps(books.expense(amount="?")).replace('"?"', sent)
    answer = await act_as(books.scope).post(
        "/api/transactions", content=body, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 422, "invalid-input", "#/amount")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"date": "2025-02-30"}, "#/date"),
        ({"date": "10.03.2025"}, "#/date"),
        ({"date": "2025-03-10T00:00:00"}, "#/date"),
        ({"date": 1741564800}, "#/date"),
        ({"date": "1899-12-31"}, "#/date"),
        ({"date": "2200-01-02"}, "#/date"),
        ({"description": " "}, "#/description"),
        ({"description": "x" * 501}, "#/description"),
        ({"currency": "XXX"}, "#/currency"),
        ({"kind": "gift"}, "#/kind"),
        ({"status": "lost"}, "#/status"),
        ({"payment_method": "barter"}, "#/payment_method"),
        ({"tag_ids": ["x"]}, "#/tag_ids/0"),
        ({"splits": [{"amount": "0"}]}, "#/splits/0/amount"),
        ({"splits": [{"amount": "1"}, {"amount": "11.49"}]}, "#/splits"),
        ({"account_id": NOBODYS}, "#/account_id"),
        ({"category_id": NOBODYS}, "#/category_id"),
        ({"budget_id": NOBODYS}, "#/budget_id"),
        ({"tag_ids": [NOBODYS]}, "#/tag_ids/0"),
        ({"splits": [{"amount": "12.50", "category_id": NOBODYS}]}, "#/splits/0/category_id"),
        ({"splits": [{"amount": "12.50", "budget_id": NOBODYS}]}, "#/splits/0/budget_id"),
        ({"splits": [{"amount": "12.50", "tag_id": NOBODYS}]}, "#/splits/0/tag_id"),
        ({"kind": "transfer", "counter_account_id": NOBODYS}, "#/counter_account_id"),
        ({"counter_account_id": "own"}, "#/counter_account_id"),
        ({"kind": "transfer", "counter_account_id": "own"}, "#/counter_account_id"),
        ({"vendro": "x"}, "#/vendro"),
    ],
)
async def test_bad_input_is_pointed_at_and_books_nothing(
    act_as: ActAs, books: Books, change: dict[str, Any], pointer: str
) -> None:
    client = act_as(books.scope)
    own = {k: str(books.account.id) if v == "own" else v for k, v in change.items()}
    answer = await client.post("/api/transactions", json=books.expense(**own))
    assert_problem(answer, 422, "invalid-input", pointer)
    assert (await client.get("/api/transactions")).json()["items"] == []


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "null", "\xff"])
async def test_what_is_no_object_is_refused(act_as: ActAs, books: Books, body: str) -> None:
    answer = await act_as(books.scope).post(
        "/api/transactions",
        content=body.encode("latin-1"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_every_unknown_reference_is_named_at_once(act_as: ActAs, books: Books) -> None:
    body = books.expense(category_id=NOBODYS, tag_ids=[str(books.tag.id), NOBODYS])
    answer = await act_as(books.scope).post("/api/transactions", json=body)
    assert_problem(answer, 422, "invalid-input", "#/category_id", "#/tag_ids/1")


async def test_what_belongs_to_others_is_as_unknown_as_what_does_not_exist(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    other = await open_books(
        engine, await make_member(engine, await make_organization(engine))
    )
    client = act_as(books.scope)
    for field, foreign in {
        "account_id": other.account.id,
        "category_id": other.category.id,
        "budget_id": other.budget.id,
    }.items():
        answers = [
            await client.post("/api/transactions", json=books.expense(**{field: str(identity)}))
            for identity in (foreign, uuid4())
        ]
        for answer in answers:
            assert_problem(answer, 422, "invalid-input", f"#/{field}")
        assert answers[0].json() == answers[1].json()


async def test_an_external_id_is_booked_once_per_account(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    await post(client, books.expense(external_id="17"))
    again = await client.post("/api/transactions", json=books.expense(external_id="17"))
    assert_problem(again, 409, "conflict")


async def test_a_transfer_names_its_counter_account(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        savings = await add_account(session, books.scope.user_id)
    client = act_as(books.scope)
    body = books.expense(kind="transfer", counter_account_id=str(savings.id))
    transfer = await post(client, body)
    assert transfer["counter_account_id"] == str(savings.id)
    place = f"/api/transactions/{transfer['id']}"
    answer = await client.patch(place, json={"kind": "expense"})
    assert_problem(answer, 422, "invalid-input", "#/counter_account_id")


async def test_splits_divide_the_amount(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    splits = [
        {"amount": "10.00", "category_id": str(books.category.id)},
        {"amount": "2.50", "tag_id": str(books.tag.id), "description": "tip"},
    ]
    booked = await post(client, books.expense(splits=splits))
    place = f"/api/transactions/{booked['id']}"
    assert [s["amount"] for s in booked["splits"]] == ["10.00", "2.50"]
    assert booked["splits"][1]["description"] == "tip"
    assert booked["splits"][1]["currency"] == "EUR"

    too_little = await client.patch(place, json={"amount": "12.49"})
    assert_problem(too_little, 422, "invalid-input", "#/splits")
    both = await client.patch(place, json={"amount": "3", "splits": [{"amount": "3"}]})
    assert [s["amount"] for s in both.json()["splits"]] == ["3.00"]
    none = await client.patch(place, json={"amount": "4", "splits": []})
    assert (none.json()["amount"], none.json()["splits"]) == ("4.00", [])


async def test_a_patch_changes_what_it_names(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    booked = await post(
        client, books.expense(vendor="Café", tag_ids=[str(books.tag.id)], external_id="1")
    )
    place = f"/api/transactions/{booked['id']}"
    changed = (await client.patch(place, json={"amount": "9.99", "vendor": None})).json()
    changed_too = {"amount", "vendor", "updated_at"}
    assert {k for k in booked if booked[k] != changed[k]} == changed_too
    assert (await client.get(place)).json() == changed
    untagged = (await client.patch(place, json={"tag_ids": []})).json()
    assert untagged["tag_ids"] == []
    assert untagged["updated_at"] > changed["updated_at"]
    for name in ("amount", "date", "account_id", "description", "currency", "tag_ids", "splits"):
        answer = await client.patch(place, json={name: None})
        assert_problem(answer, 422, "invalid-input", f"#/{name}")


async def test_a_refused_patch_changes_nothing(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    booked = await post(client, books.expense(tag_ids=[str(books.tag.id)]))
    place = f"/api/transactions/{booked['id']}"
    change = {"amount": "1", "tag_ids": [], "splits": [{"amount": "2"}]}
    assert_problem(await client.patch(place, json=change), 422, "invalid-input", "#/splits")
    assert (await client.get(place)).json() == booked


async def test_a_deleted_transaction_is_gone_from_everywhere_but_the_books(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    booked = await post(client, books.expense(budget_id=str(books.budget.id)))
    place = f"/api/transactions/{booked['id']}"
    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")
    assert_problem(await client.delete(place), 404, "not-found")
    assert (await client.get("/api/transactions")).json()["items"] == []
    async with organization_session(engine, books.scope.organization_id) as session:
        row = await session.scalar(select(Transaction))
        assert row is not None
        assert row.deleted_at is not None
        assert await session.scalar(select(BudgetAttribution)) is None


async def test_lists_are_filtered(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    scope = books.scope
    async with organization_session(engine, scope.organization_id) as session:
        other = await add_account(session, scope.user_id)

        async def add(name: str, **values: Any) -> Transaction:
            values = {"account_id": books.account.id, "description": name} | values
            return await add_transaction(session, **values)

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
    assert await found(from_date="2025-02-01", to_date="2025-01-01") == []


@pytest.mark.parametrize("field", ["account_id", "category_id", "tag_id", "budget_id"])
async def test_filtering_by_what_is_not_ones_own(
    act_as: ActAs, books: Books, engine: AsyncEngine, field: str
) -> None:
    other = await open_books(
        engine, await make_member(engine, await make_organization(engine))
    )
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
        ({"sort": "amount"}, "sort"),
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


@pytest.mark.parametrize("sort", ["date", "-date"])
async def test_pages_hold_each_row_once_while_others_are_written(
    act_as: ActAs, books: Books, engine: AsyncEngine, sort: str
) -> None:
    organization_id = books.scope.organization_id
    async with organization_session(engine, organization_id) as session:
        rows = [
            await add_transaction(
                session, books.account.id, date=date(2025, 1, 1) + timedelta(days=n // 3)
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
            await add_transaction(session, books.account.id, date=date(2024, 1, 1))
            await add_transaction(session, books.account.id, date=date(2026, 1, 1))
    assert [i for i in seen if i in {str(r.id) for r in rows}] == [
        str(r.id) for r in sorted(rows, key=lambda r: (r.date, r.id), reverse=sort == "-date")
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


async def test_a_member_works_on_accounts_of_theirs_and_shared_ones(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        own = await add_account(session, member.user_id)
        shared = await add_account(session, books.scope.user_id)
        await share_account(session, shared.id, member.user_id)
        hidden = await add_transaction(session, books.account.id)
    client = act_as(member)
    booked = [await post(client, books.expense(account_id=str(a.id))) for a in (own, shared)]
    listed = (await client.get("/api/transactions")).json()["items"]
    assert {t["id"] for t in listed} == {t["id"] for t in booked}
    refused = await client.post("/api/transactions", json=books.expense())
    assert_problem(refused, 422, "invalid-input", "#/account_id")
    move = await client.patch(
        f"/api/transactions/{booked[0]['id']}", json={"account_id": str(books.account.id)}
    )
    assert_problem(move, 422, "invalid-input", "#/account_id")
    place = f"/api/transactions/{hidden.id}"
    assert_problem(await client.get(place), 404, "not-found")
    assert_problem(await client.patch(place, json={"amount": "1"}), 404, "not-found")
    assert_problem(await client.delete(place), 404, "not-found")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
async def test_readers_write_nothing(
    act_as: ActAs, books: Books, engine: AsyncEngine, role: Role
) -> None:
    reader = await make_member(engine, books.scope.organization_id, role)
    async with organization_session(engine, books.scope.organization_id) as session:
        await share_account(session, books.account.id, reader.user_id)
        transaction = await add_transaction(session, books.account.id)
    client = act_as(reader)
    place = f"/api/transactions/{transaction.id}"
    assert (await client.get(place)).status_code == 200
    answer = await client.post("/api/transactions", json=books.expense())
    assert_problem(answer, 403, "forbidden")
    assert_problem(await client.patch(place, json={"amount": "1"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_what_is_not_theirs_to_see_is_neither_named_nor_lost(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    """A shared account's transfer goes to a private one, and counts in a budget they do not see."""
    partner = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        shared = await add_account(session, books.scope.user_id)
        await share_account(session, shared.id, partner.user_id)
        transfer = await add_transaction(
            session,
            shared.id,
            kind="transfer",
            counter_account_id=books.account.id,
            budget_id=books.budget.id,
        )
        split = await add_split(
            session, transfer.id, transfer.amount, budget_id=books.budget.id
        )
    client = act_as(partner)
    place = f"/api/transactions/{transfer.id}"
    shown = (await client.get(place)).json()
    for secret in (books.account.id, books.budget.id):
        assert str(secret) not in json.dumps(shown)
    assert shown["splits"][0]["id"] == str(split.id)

    sent_back = {"counter_account_id": None, "budget_id": None, "description": "Savings"}
    assert (await client.patch(place, json=sent_back)).json()["description"] == "Savings"
    kept = (await act_as(books.scope).get(place)).json()
    assert kept["counter_account_id"] == str(books.account.id)
    assert kept["budget_id"] == str(books.budget.id)
    by_budget = await client.get(
        "/api/transactions", params={"budget_id": str(books.budget.id)}
    )
    assert_problem(by_budget, 404, "not-found")


async def test_somebody_elses_transaction_is_as_good_as_none(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    other = await open_books(
        engine, await make_member(engine, await make_organization(engine))
    )
    async with organization_session(engine, other.scope.organization_id) as session:
        theirs = await add_transaction(session, other.account.id)
    client = act_as(books.scope)
    details = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/transactions/{identity}"
        details.add(assert_problem(await client.get(place), 404, "not-found"))
        answer = await client.patch(place, json={"amount": "1"})
        details.add(assert_problem(answer, 404, "not-found"))
        details.add(assert_problem(await client.delete(place), 404, "not-found"))
    assert details == {"There is no such transaction."}
