from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetAttribution
from backend.db.engine import organization_session
from backend.ledger.models import Transaction
from tests.api.books import NOBODYS, Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    make_member,
    make_organization,
)


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
        row = await session.scalar(select(Transaction).where(Transaction.id == UUID(booked["id"])))
        assert row is not None
        attributed = await session.scalar(select(BudgetAttribution.budget_id))
        assert attributed == books.budget.id


@pytest.mark.parametrize(
    ("currency", "sent", "stored"),
    [
        ("EUR", '"12.5"', "12.50"),
        ("EUR", "12.5", "12.50"),
        ("EUR", "12", "12.00"),
        ("EUR", "0.1", "0.10"),
        ("EUR", '"12345678901234.5600"', "12345678901234.56"),
        ("CLF", '"0.0001"', "0.0001"),
        ("CLF", "1e-4", "0.0001"),
        ("CLF", '"12345678901234.5678"', "12345678901234.5678"),
        ("CLF", "99999999999.9999", "99999999999.9999"),
        ("JPY", '"10.0"', "10"),
        ("KWD", '"1.125"', "1.125"),
    ],
)
async def test_amounts_are_exact(
    act_as: ActAs, books: Books, currency: str, sent: str, stored: str
) -> None:
    body = json.dumps(books.expense(amount="?", currency=currency)).replace('"?"', sent)
    answer = await act_as(books.scope).post(
        "/api/transactions", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["amount"] == stored


@pytest.mark.parametrize(
    "sent",
    [
        *("0", "-1", "1.00001", "1e300", "100000000000.5", "NaN", "Infinity", "9" * 400),
        *("true", "null", "[]"),
        *('"0.00"', '"-1"', '"1.00001"', '"100000000000000"', '"NaN"', '"1,50"', '"1_000"'),
        *('" 1"', '"\uff11"', '""'),
    ],
)
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
        ({"amount": "10.5", "currency": "JPY"}, "#/amount"),
        ({"amount": "10.001"}, "#/amount"),
        (
            {
                "amount": "10",
                "currency": "JPY",
                "splits": [{"amount": "5"}, {"amount": "4.5"}, {"amount": "0.5"}],
            },
            ("#/splits/1/amount", "#/splits/2/amount"),
        ),
        ({"confidence": 101}, "#/confidence"),
        ({"confidence": -1}, "#/confidence"),
        ({"counter_account_id": "own"}, "#/counter_account_id"),
        ({"kind": "transfer", "counter_account_id": "own"}, "#/counter_account_id"),
        ({"vendro": "x"}, "#/vendro"),
    ],
)
async def test_bad_input_is_pointed_at_and_books_nothing(
    act_as: ActAs, books: Books, change: dict[str, Any], pointer: str | tuple[str, ...]
) -> None:
    client = act_as(books.scope)
    own = {k: str(books.account.id) if v == "own" else v for k, v in change.items()}
    answer = await client.post("/api/transactions", json=books.expense(**own))
    pointers = (pointer,) if isinstance(pointer, str) else pointer
    assert_problem(answer, 422, "invalid-input", *pointers)
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
    other = await open_books(engine, await make_member(engine, await make_organization(engine)))
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
    contradiction = {"kind": "expense", "counter_account_id": str(savings.id)}
    answer = await client.patch(place, json=contradiction)
    assert_problem(answer, 422, "invalid-input", "#/counter_account_id")
    answer = await client.patch(place, json={"kind": "expense"})
    assert (answer.status_code, answer.json()["counter_account_id"]) == (200, None)
    answer = await client.patch(place, json={"counter_account_id": str(savings.id)})
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
    changed_too = {"amount", "vendor", "updated_at", "version"}
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


async def test_a_category_that_somebody_chooses_was_not_chosen_by_itself(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    guessed = {"category_id": str(books.category.id), "auto_categorised": True, "confidence": 60}
    booked = await post(client, books.expense(**guessed))
    place = f"/api/transactions/{booked['id']}"

    async def patched(**change: object) -> tuple[bool, int | None]:
        answer = await client.patch(place, json=change)
        assert answer.status_code == 200, answer.text
        return answer.json()["auto_categorised"], answer.json()["confidence"]

    assert (booked["auto_categorised"], booked["confidence"]) == (True, 60)
    assert await patched(vendor="x", category_id=str(books.category.id)) == (True, 60)
    assert await patched(category_id=None) == (False, None)
    assert await patched(**guessed) == (True, 60)
    assert await patched(confidence=100) == (True, 100)
