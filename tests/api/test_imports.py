"""Files of banks: previewed, imported completely, and imported again for nothing."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.books import NOBODYS, Books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.api.uploads import confirmed, imported, rows_of, sample, upload
from tests.factories import add_account, add_category, make_member, share_account

BANK = {
    "bank_de.csv": (5, "csv", 0),
    "card_us.csv": (4, "csv", 0),
    "statement_v1.ofx": (3, "ofx", 1),
    "statement_v2.qfx": (2, "ofx", 1),
    "camt053_v2.xml": (5, "camt053", 1),
    "camt053_v8.xml": (5, "camt053", 1),
}


@pytest.mark.parametrize("name", BANK)
async def test_a_file_comes_in_completely_and_only_once(
    name: str, act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    rows, format_, balances = BANK[name]
    client, account = act_as(owner), books.account.id
    send = confirmed if format_ == "csv" else imported
    first = await send(client, sample(name), account, filename=name)
    assert (first["format"], first["created"]) == (format_, rows)
    assert (first["duplicates"], first["failed"], first["errors"]) == (0, 0, [])
    assert len(first["rows"]) == rows
    counts = {"transactions": rows, "balance_snapshots": balances, "cloud_costs": 0, "imports": 1}
    assert await rows_of(engine, owner) == counts

    again = await send(client, sample(name), account)
    assert (again["created"], again["duplicates"], again["failed"]) == (0, rows, 0)
    booked = (await client.get("/api/transactions", params={"limit": 100})).json()["items"]
    assert {d["existing_id"] for d in again["duplicate_rows"]} == {t["id"] for t in booked}
    assert await rows_of(engine, owner) == counts | {"imports": 2}


async def test_what_a_row_becomes(act_as: ActAs, owner: Scope, books: Books) -> None:
    client = act_as(owner)
    await imported(client, sample("camt053_v8.xml"), books.account.id)
    booked = (await client.get("/api/transactions", params={"sort": "date"})).json()["items"]
    told = [(t["date"], t["kind"], t["status"], t["amount"], t["vendor"]) for t in booked]
    assert sorted(told) == [
        ("2025-03-04", "expense", "paid", "250.00", "Landlord"),
        ("2025-03-04", "expense", "paid", "350.00", "Printer AG"),
        ("2025-03-10", "expense", "paid", "21.50", None),
        ("2025-03-12", "refund", "paid", "45.00", "Gym"),
        ("2025-04-01", "expense", "pending", "9.99", None),
    ]
    (abroad,) = [t for t in booked if t["amount"] == "21.50"]
    assert [(s["amount"], s["description"]) for s in abroad["splits"]] == [
        ("20.00", None),
        ("1.50", "Bank charges"),
    ]


async def test_a_preview_shows_the_guess_and_changes_nothing(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    client = act_as(owner)
    answer = await upload(client, sample("bank_de.csv"), books.account.id, dry_run="true")
    assert answer.status_code == 201
    assert answer.headers["Outlay-Dry-Run"] == "true"
    preview = answer.json()
    assert preview["mapping"] == {
        "date": "Buchungstag",
        "amount": "Betrag",
        "debit": None,
        "credit": None,
        "currency": "Währung",
        "description": "Verwendungszweck",
        "vendor": "Auftraggeber / Empfänger",
        "category": None,
        "external_id": None,
        "status": None,
        "date_format": "DMY",
        "decimal_separator": ",",
        "invert": False,
        "credits": "income",
        "encoding": None,
        "delimiter": None,
    }
    assert 0.9 < preview["confidence"] <= 1
    assert (preview["encoding"], preview["delimiter"]) == ("cp1252", ";")
    assert (preview["created"], preview["ignored_lines"]) == (5, [12])
    assert preview["rows"][0] == {
        "line": 7,
        "date": "2025-03-03",
        "amount": "-1234.56",
        "currency": "EUR",
        "description": "Rechnung 4711; Lieferung März",
        "vendor": "Müller & Söhne GmbH",
        "category": None,
        "external_id": None,
        "status": "paid",
        "service_name": None,
        "region": None,
    }
    assert set((await rows_of(engine, owner)).values()) == {0}


async def test_a_guess_must_be_confirmed(act_as: ActAs, owner: Scope, books: Books) -> None:
    answer = await upload(act_as(owner), sample("card_us.csv"), books.account.id)
    detail = assert_problem(answer, 422, "invalid-input", "mapping")
    assert "Preview it" in detail
    assert '"debit": "Debit"' in answer.json()["errors"][0]["detail"]


async def test_a_doubtful_date_must_be_settled(act_as: ActAs, owner: Scope, books: Books) -> None:
    client, account = act_as(owner), books.account.id
    content = b"Date,Text,Amount\n03/04/2025,Bread,-2.00\n"
    preview = await imported(client, content, account, dry_run="true")
    assert preview["columns"] == ["Date", "Text", "Amount"]
    mapping = preview["mapping"]
    assert (mapping["date"], mapping["date_format"], preview["rows"]) == ("Date", None, [])
    assert "date_format" in preview["notes"][0]
    answer = await upload(client, content, account)
    assert_problem(answer, 422, "invalid-input", "mapping/date_format", "mapping")
    answer = await upload(client, content, account, mapping=mapping)
    assert_problem(answer, 422, "invalid-input", "mapping/date_format")
    done = await imported(client, content, account, mapping=mapping | {"date_format": "MDY"})
    assert done["rows"][0]["date"] == "2025-03-04"


async def test_an_id_that_something_else_has_is_no_duplicate(
    act_as: ActAs, owner: Scope, books: Books
) -> None:
    client, account = act_as(owner), books.account.id
    header = b"Date,Text,Amount,Transaction ID\n"
    await confirmed(client, header + b"2025-03-01,Gym,-20.00,DE98\n", account)
    later = b"2025-03-01,Gym,-20.00,DE98\n2025-04-01,Gym,-20.00,DE99\n"
    again = await confirmed(client, header + later, account)
    assert (again["created"], again["duplicates"], again["failed"]) == (1, 1, 0)
    for row in (b"2025-05-01,Gym,-20.00", b"2025-03-01,Gym,-21.00", b"2025-03-01,Gym,20.00"):
        new = header + row + b",DE98\n2025-03-01,Gym,-20.00,DE98-again\n"
        mapping = {"date": "Date", "amount": "Amount", "external_id": "Transaction ID"}
        done = await imported(client, new, account, mapping=mapping)
        assert (done["duplicate_rows"] or [{"line": 3}])[0]["line"] == 3
        (fault,) = done["errors"]
        assert (fault["line"], fault["column"], fault["value"]) == (2, "Transaction ID", "DE98")
        assert "another transaction" in fault["reason"].lower()


async def test_a_transfer_of_ofx_is_no_spending(act_as: ActAs, owner: Scope, books: Books) -> None:
    client = act_as(owner)
    content = sample("statement_v1.ofx").replace(b"<TRNTYPE>POS", b"<TRNTYPE>XFER")
    await imported(client, content, books.account.id)
    booked = (await client.get("/api/transactions", params={"limit": 100})).json()["items"]
    assert {t["amount"]: t["kind"] for t in booked} == {
        "52.10": "expense",
        "1500.00": "income",
        "20.00": "transfer",
    }


async def test_a_card_without_minus_signs_is_turned_round(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        card = await add_account(session, owner.user_id, type="card")
    content = (
        b"Date,Text,Amount\n2025-03-01,Bread,2.00\n2025-03-02,Tea,3.00\n"
        b"2025-03-03,PAYMENT RECEIVED,-5.00\n"
    )
    preview = await imported(act_as(owner), content, card.id, dry_run="true")
    assert preview["mapping"]["invert"] is True
    assert preview["confidence"] <= 0.5
    assert [row["amount"] for row in preview["rows"]] == ["-2.00", "-3.00", "5.00"]


async def test_a_form_is_refused(act_as: ActAs, owner: Scope, books: Books) -> None:
    client, account = act_as(owner), books.account.id
    answer = await client.post(
        "/api/imports",
        params={"account_id": str(account), "dry_run": "true"},
        files={"file": ("bank.csv", sample("bank_de.csv"))},
    )
    detail = assert_problem(answer, 422, "invalid-input", "Content-Type")
    assert "file itself" in detail
    answer = await client.post(
        "/api/imports",
        params={"account_id": str(account)},
        content=sample("statement_v2.qfx"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("mapping", "pointers"),
    [
        ({"date": "Date", "amount": "Amuont"}, {"mapping/amount"}),
        ({"date": "Date"}, {"mapping/amount"}),
        ({"date": "Date", "amount": "Debit", "debit": "Debit"}, {"mapping/amount"}),
        ({"date": "Date", "amount": "Debit", "dates": "x"}, {"mapping/dates"}),
        ({"amount": "Debit"}, {"mapping/date"}),
    ],
)
async def test_a_bad_mapping(
    mapping: dict[str, str], pointers: set[str], act_as: ActAs, owner: Scope, books: Books
) -> None:
    answer = await upload(act_as(owner), sample("card_us.csv"), books.account.id, mapping=mapping)
    assert_problem(answer, 422, "invalid-input", *pointers)


async def test_good_rows_are_booked_and_bad_ones_reported(
    act_as: ActAs, owner: Scope, books: Books
) -> None:
    content = (
        b"Date,Text,Amount,Currency,Id\n2025-03-01,Bread,-2.00,,a\nsoon,Milk,-1.00,,b\n"
        b"2025-03-03,Tea,-3.00,EUR,c\n2025-03-04,Tea,-4.00,EUR,c\n2025-03-05,Yen,-4.5,JPY,d\n"
    )
    client, account = act_as(owner), books.account.id
    done = await confirmed(client, content, account)
    assert (done["created"], done["failed"]) == (2, 3)
    assert done["errors"] == [
        {"line": 3, "column": "Date", "reason": "Not a date.", "value": "soon"},
        {
            "line": 5,
            "column": "Id",
            "reason": "Line 4 has this id already, and says something else.",
            "value": "c",
        },
        {"line": 6, "column": "Amount", "reason": "JPY has 0 decimals at most.", "value": "-4.5"},
    ]
    kept = (await client.get(f"/api/imports/{done['id']}")).json()
    assert (kept["created"], kept["duplicates"], kept["failed"]) == (2, 0, 3)


async def test_atomic_takes_all_or_nothing(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    content = b"Date,Text,Amount\n2025-03-01,Bread,-2.00\nsoon,Milk,-1.00\n"
    answer = await upload(
        act_as(owner),
        content,
        books.account.id,
        atomic="true",
        mapping={"date": "Date", "amount": "Amount"},
    )
    assert_problem(answer, 422, "invalid-input", "#/lines/3/Date")
    assert answer.json()["errors"][0]["detail"] == "Not a date. (soon)"
    assert set((await rows_of(engine, owner)).values()) == {0}


async def test_categories_are_found_by_name(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        office = await add_category(session, name="office")
    client = act_as(owner)
    done = await confirmed(client, sample("card_us.csv"), books.account.id)
    assert done["notes"] == [
        "Booked without a category, since there is none of that name or more than one: Food."
    ]
    params = {"category_id": str(office.id)}
    assert len((await client.get("/api/transactions", params=params)).json()["items"]) == 2


async def test_a_balance_in_another_currency_is_left_out(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id, currency="CHF")
    done = await imported(act_as(owner), sample("statement_v2.qfx"), account.id)
    assert done["created"] == 2
    assert done["rows"][0]["currency"] == "EUR"
    assert done["notes"] == [
        "The balance of 2025-03-31 was left out: it is in EUR, the account in CHF."
    ]


async def test_a_deleted_transaction_can_be_imported_again(
    act_as: ActAs, owner: Scope, books: Books
) -> None:
    client, account = act_as(owner), books.account.id
    await imported(client, sample("statement_v2.qfx"), account)
    first = (await client.get("/api/transactions")).json()["items"][0]["id"]
    assert (await client.delete(f"/api/transactions/{first}")).status_code == 204
    again = await imported(client, sample("statement_v2.qfx"), account)
    assert (again["created"], again["duplicates"]) == (1, 1)


async def test_the_audit_names_the_file(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    answer = await upload(
        act_as(owner), sample("statement_v2.qfx"), books.account.id, filename="march.qfx"
    )
    entries = await entries_of(engine, owner, answer)
    (entry,) = [payload for entry, payload in entries if entry.object_type == "import"]
    assert entry.after is not None
    assert entry.after["filename"] == "march.qfx"
    assert entry.after["sha256"] == answer.json()["sha256"]
    assert sum(entry.object_type == "transaction" for entry, _ in entries) == 2


async def test_the_same_key_imports_once(act_as: ActAs, owner: Scope, books: Books) -> None:
    client, account = act_as(owner), books.account.id
    client.headers["Idempotency-Key"] = "march"
    first = await upload(client, sample("statement_v2.qfx"), account)
    again = await upload(client, sample("statement_v2.qfx"), account)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    other = await upload(client, sample("statement_v1.ofx"), account)
    assert other.status_code == 422


async def test_imports_are_listed_for_their_accounts(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        shared = await add_account(session, owner.user_id)
        await share_account(session, shared.id, member.user_id)
    client = act_as(owner)
    made = [
        (await imported(client, sample(name), account))["id"]
        for name, account in (
            ("statement_v1.ofx", books.account.id),
            ("statement_v2.qfx", shared.id),
            ("camt053_v2.xml", shared.id),
        )
    ]

    async def listed(by: Scope, **params: str) -> list[str]:
        answer = await act_as(by).get("/api/imports", params=params)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["items"]]

    assert await listed(owner) == made[::-1]
    assert await listed(owner, format="ofx") == [made[1], made[0]]
    assert await listed(owner, account_id=str(shared.id)) == [made[2], made[1]]
    assert await listed(member) == [made[2], made[1]]
    answer = await act_as(member).get(f"/api/imports/{made[0]}")
    assert_problem(answer, 404, "not-found")
    answer = await act_as(member).get("/api/imports", params={"account_id": str(books.account.id)})
    assert_problem(answer, 404, "not-found")


async def test_whoever_may_not_write_imports_nothing(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    analyst = await make_member(engine, owner.organization_id, Role.ANALYST)
    content = sample("statement_v2.qfx")
    answer = await upload(act_as(member), content, books.account.id)
    assert_problem(answer, 404, "not-found")
    answer = await upload(act_as(owner), content, NOBODYS)  # type: ignore[arg-type]  # an id as text
    assert_problem(answer, 404, "not-found")
    answer = await upload(act_as(analyst), content, books.account.id)
    assert_problem(answer, 403, "forbidden")


async def test_a_closed_account_takes_nothing(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id, status="closed")
    answer = await upload(act_as(owner), sample("statement_v2.qfx"), account.id)
    assert_problem(answer, 422, "invalid-input", "account_id")


async def test_a_file_may_be_larger_than_other_bodies_but_not_endless(
    owner: Scope, act_as: ActAs, books: Books
) -> None:
    client, account = act_as(owner), books.account.id
    text = "Date,Text,Amount\n" + "2025-03-01,Bread,-2.00\n" * 100 + "\n" * 2**20
    mapping = {"date": "Date", "amount": "Amount", "description": "Text"}
    done = await imported(client, text.encode(), account, mapping=mapping)
    assert done["created"] == 100
    answer = await upload(client, b"x" * (20 * 2**20 + 1), account)
    assert_problem(answer, 413, "content-too-large")
    answer = await client.post("/api/tags", content=b" " * (2**20 + 1))
    assert_problem(answer, 413, "content-too-large")
