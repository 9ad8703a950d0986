"""Damaged files: each is told clearly what is wrong with it, and changes nothing."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Scope
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.api.uploads import rows_of, sample, upload
from tests.factories import add_account

BANK = {"date": "Buchungstag", "amount": "Betrag", "currency": "Währung"}
CARD = {"date": "Date", "debit": "Debit", "credit": "Credit", "external_id": "Transaction ID"}


def changed(name: str, *changes: tuple[bytes, bytes]) -> bytes:
    content = sample(name)
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    return content


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("bank.csv", sample("bank_de.csv"))
    return sink.getvalue()


def with_entities(name: str) -> bytes:
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    start, _, rest = sample(name).partition(b"?>")
    return start + b"?>" + bomb + rest


def reading_a_file(name: str) -> bytes:
    """An entity that names a file of the server."""
    start, _, rest = sample(name).partition(b"?>")
    text = start + b'?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>' + rest
    return text.replace(b"Cash abroad", b"&f;")


# What is sent, with which parameters, and every place and reason that is named.
UNREADABLE: dict[str, tuple[Callable[[], bytes], dict[str, Any], list[tuple[str, str]]]] = {
    "empty": (lambda: b"", {}, [("#", "The file is empty.")]),
    "blank": (lambda: b" \n\n ", {"format": "csv"}, [("#", "The file is empty.")]),
    "a ZIP archive": (
        zipped,
        {"format": "csv"},
        [("#", "This is a ZIP archive or a spreadsheet: unpack it, or save it as CSV.")],
    ),
    "compressed": (
        lambda: gzip.compress(sample("bank_de.csv")),
        {},
        [("#", "This is compressed with gzip: unpack it first.")],
    ),
    "a PDF": (
        lambda: b"%PDF-1.7 ...",
        {},
        [("#", "This is a PDF: ask the bank for CSV, OFX or CAMT.053.")],
    ),
    "HTML of a page that asks to log in": (
        lambda: b"<!doctype html><html><body>Log in</body></html>",
        {},
        [("#", "This is neither OFX nor CAMT.053.")],
    ),
    "another encoding than was said": (
        lambda: sample("bank_de.csv"),
        {"mapping": BANK | {"encoding": "utf-8"}},
        [
            (
                "#/lines/6",
                "Byte 194 of the file is not utf-8. Save it as UTF-8, or name its encoding.",
            )
        ],
    ),
    "an encoding that does not exist": (
        lambda: sample("bank_de.csv"),
        {"mapping": BANK | {"encoding": "klingon"}},
        [("#", "There is no encoding 'klingon'.")],
    ),
    "a quotation mark left open": (
        lambda: changed("card_us.csv", (b'"1,204.50"', b'"1,204.50')),
        {"mapping": CARD},
        [("#/lines/2", "A quotation mark is opened here and not closed.")],
    ),
    "a missing column": (
        lambda: changed("card_us.csv", (b"Date,", b"Day,")),
        {"mapping": CARD},
        [("mapping/date", "There is no such column. ")],
    ),
    "no columns of dates": (
        lambda: b"a,b\nx,y\n",
        {"dry_run": "true"},
        [
            (
                "#",
                (
                    "No columns with dates and amounts were found. "
                    "Its columns: Column 1, Column 2. Send a mapping."
                ),
            )
        ],
    ),
    "a header and nothing else": (
        lambda: b"Date,Amount,Text\n",
        {"dry_run": "true"},
        [("#", "There is no row below the header.")],
    ),
    "ten thousand columns": (
        lambda: ",".join(["Date", "Amount", *(f"c{n}" for n in range(9998))]).encode() + b"\n1,2\n",
        {"mapping": {"date": "Date", "amount": "Amount"}},
        [("#/lines/1", "The row has 10,000 cells; 500 at most are read.")],
    ),
    "a line without end": (
        lambda: b"Date,Amount\n2025-03-01," + b"9" * 200_000 + b"\n",
        {"mapping": {"date": "Date", "amount": "Amount"}},
        [("#/lines/2", "A cell has more than 131,072 characters.")],
    ),
    "too many rows": (
        lambda: b"Date,Amount\n" + b"2025-03-01,1\n" * 200_001,
        {"mapping": {"date": "Date", "amount": "Amount"}},
        [("#/lines/200002", "More than 200,000 rows: split the file.")],
    ),
    "OFX, cut off": (
        lambda: sample("statement_v1.ofx")[:900],
        {},
        [("#", "It is cut off: </OFX> is missing after its line 33.")],
    ),
    "OFX without its header": (
        lambda: changed("statement_v1.ofx", (b"OFXHEADER:100", b"OFXHEADER:one")),
        {},
        [("#/lines/1", "The header is not one of OFX.")],
    ),
    "OFX with entities": (
        lambda: with_entities("statement_v2.qfx"),
        {},
        [("#", "It declares entities, which no bank needs.")],
    ),
    "OFX of another encoding": (
        lambda: changed("statement_v2.qfx", (b"Railway", b"Caf\xe9")),
        {},
        [("#/lines/1", "The header is not one of OFX.")],
    ),
    "OFX in a currency that there is not": (
        lambda: changed("statement_v1.ofx", (b"<CURDEF>EUR", b"<CURDEF>EURO")),
        {},
        [("#/CURDEF", "Not a currency code of ISO 4217. (EURO)")],
    ),
    "CAMT.053, cut off": (
        lambda: sample("camt053_v8.xml")[:2000],
        {},
        [("#/lines/40", "Not well-formed XML, or cut off: ")],
    ),
    "CAMT.053 with entities": (
        lambda: with_entities("camt053_v8.xml"),
        {},
        [("#", "It declares a document type or entities, which no bank needs.")],
    ),
    "CAMT.053 that reads a file": (
        lambda: reading_a_file("camt053_v8.xml"),
        {},
        [("#", "It declares a document type or entities, which no bank needs.")],
    ),
    "CAMT.053 with entities in UTF-16": (
        lambda: (
            with_entities("camt053_v8.xml")
            .decode()
            .replace('encoding="UTF-8"', 'encoding="UTF-16"')
            .encode("utf-16")
        ),
        {"format": "camt053"},
        [("#", "It declares a document type or entities, which no bank needs.")],
    ),
    "another message than CAMT.053": (
        lambda: changed("camt053_v8.xml", (b"camt.053.001.08", b"camt.054.001.08")),
        {"format": "camt053"},
        [
            (
                "#/lines/1",
                "Not a CAMT.053 statement but urn:iso:std:iso:20022:tech:xsd:camt.054.001.08.",
            )
        ],
    ),
    "FOCUS without columns that it needs": (
        lambda: changed(
            "focus_1_0.csv", (b"ChargePeriodEnd", b"Ended"), (b"BillingCurrency", b"Currency")
        ),
        {"format": "focus"},
        [("#", "Columns of FOCUS are missing: BillingCurrency, ChargePeriodEnd.")],
    ),
    "a mapping for what needs none": (
        lambda: sample("statement_v1.ofx"),
        {"mapping": CARD},
        [("mapping", "Only CSV has one: this is ofx.")],
    ),
    "no row that can be read": (
        lambda: b"Date,Amount\n2025-13-01,1.00\n2025-03-01,one\n",
        {"mapping": {"date": "Date", "amount": "Amount", "date_format": "YMD"}},
        [
            ("#/lines/2/Date", "There is no such day. (2025-13-01)"),
            ("#/lines/3/Amount", "Not an amount. (one)"),
        ],
    ),
}


@pytest.mark.parametrize("damage", UNREADABLE)
async def test_a_file_that_cannot_be_read_changes_nothing(
    damage: str, act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    make, params, reasons = UNREADABLE[damage]
    answer = await upload(act_as(owner), make(), books.account.id, **params)
    assert_problem(answer, 422, "invalid-input", *(place for place, _ in reasons))
    told = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    for place, reason in reasons:
        assert told[place].startswith(reason)
    assert set((await rows_of(engine, owner)).values()) == {0}


# The bad row's line, column, reason and value; all other rows are good.
BAD_ROWS: dict[str, tuple[Callable[[], bytes], dict[str, Any], int, list[tuple[Any, ...]]]] = {
    "a row that is cut off": (
        lambda: sample("card_us.csv")[:-20],
        {"mapping": CARD},
        3,
        [(5, None, "The row has 3 cells, the header has 6 columns.", None)],
    ),
    "a date that there is not": (
        lambda: changed("card_us.csv", (b"03/15/2025", b"02/30/2025")),
        {"mapping": CARD},
        3,
        [(3, "Date", "There is no such day.", "02/30/2025")],
    ),
    "an amount that is none": (
        lambda: changed("card_us.csv", (b"4.25", b"4.25.1")),
        {"mapping": CARD},
        3,
        [(3, "Debit", "Not an amount.", "4.25.1")],
    ),
    "debit and credit at once": (
        lambda: changed("card_us.csv", (b"4.25,", b"4.25,1.00")),
        {"mapping": CARD},
        3,
        [(3, "Debit", "Both debit and credit have an amount.", None)],
    ),
    "an id that is there twice": (
        lambda: changed("card_us.csv", (b"A-1002", b"A-1001")),
        {"mapping": CARD},
        3,
        [
            (
                3,
                "Transaction ID",
                "Line 2 has this id already, and says something else.",
                "A-1001",
            )
        ],
    ),
    "a NUL character": (
        lambda: changed("card_us.csv", (b"Coffee House", b"Coffee\0House")),
        {"mapping": CARD | {"description": "Description"}},
        3,
        [
            (
                3,
                "Description",
                "The text holds a control character.",
                "Coffee\N{REPLACEMENT CHARACTER}House",
            )
        ],
    ),
    "a currency that there is not": (
        lambda: changed("bank_de.csv", (b'"850,00";"EUR"', b'"850,00";"EURO"')),
        {"mapping": BANK},
        4,
        [(10, "Währung", "Not a currency code of ISO 4217.", "EURO")],
    ),
    "an amount that is too large": (
        lambda: changed("card_us.csv", (b"4.25", b"123456789012345")),
        {"mapping": CARD},
        3,
        [(3, "Debit", "The amount has more than 14 digits before the point.", "123456789012345")],
    ),
    "OFX: a bad date": (
        lambda: changed("statement_v1.ofx", (b"<DTPOSTED>20250310", b"<DTPOSTED>20251310")),
        {},
        2,
        [(27, "DTPOSTED", "Not a date of OFX, such as 20250310.", "20251310")],
    ),
    "OFX: an amount that is none": (
        lambda: changed("statement_v2.qfx", (b"-89.90", b"a lot")),
        {},
        1,
        [(15, "TRNAMT", "Not an amount.", "a lot")],
    ),
    "OFX: a row without an id": (
        lambda: changed("statement_v1.ofx", (b"<FITID>2025031001\n", b"")),
        {},
        2,
        [(27, "FITID", "The element is missing.", None)],
    ),
    "CAMT.053: an amount that is none": (
        lambda: changed("camt053_v8.xml", (b'"EUR">45.00', b'"EUR">45,00')),
        {},
        4,
        [(43, "Amt", "Not an amount.", "45,00")],
    ),
    "CAMT.053: no direction": (
        lambda: changed("camt053_v8.xml", (b"<CdtDbtInd>CRDT</CdtDbtInd><RvslInd>", b"<RvslInd>")),
        {},
        4,
        [(43, "CdtDbtInd", "Neither CRDT nor DBIT.", None)],
    ),
    "CAMT.053: no date": (
        lambda: changed("camt053_v8.xml", (b"<ValDt><Dt>2025-04-01</Dt></ValDt>", b"")),
        {},
        4,
        [(49, "BookgDt", "The element is missing.", None)],
    ),
}


@pytest.mark.parametrize("damage", BAD_ROWS)
async def test_a_bad_row_costs_no_other(
    damage: str, act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    make, params, good, faults = BAD_ROWS[damage]
    client, account = act_as(owner), books.account.id
    whole = await upload(client, make(), account, atomic="true", **params)
    assert whole.status_code == 422
    assert set((await rows_of(engine, owner)).values()) == {0}

    answer = await upload(client, make(), account, **params)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["created"], told["failed"]) == (good, len(faults))
    assert [(e["line"], e["column"], e["reason"], e["value"]) for e in told["errors"]] == faults
    assert (await rows_of(engine, owner))["transactions"] == good


async def test_two_accounts_in_one_file_are_not_thrown_together(
    act_as: ActAs, owner: Scope, books: Books
) -> None:
    content = sample("camt053_v8.xml").decode()
    start, end = content.index("    <Stmt>"), content.index("  </BkToCstmrStmt>")
    other = content[start:end].replace("DE02120300000000202051", "DE02500105170137075030")
    both = content[:end] + other + content[end:]
    answer = await upload(act_as(owner), both.encode(), books.account.id)
    assert_problem(answer, 422, "invalid-input", "#")
    assert "2 accounts" in answer.text


async def test_cloud_costs_need_a_cloud_account(
    act_as: ActAs, owner: Scope, books: Books, engine: AsyncEngine
) -> None:
    answer = await upload(act_as(owner), sample("focus_1_0.csv"), books.account.id)
    assert_problem(answer, 422, "invalid-input", "account_id")
    async with organization_session(engine, owner.organization_id) as session:
        account = await add_account(session, owner.user_id, type="cloud", currency="USD")
    content = changed("focus_1_0.csv", (b",USD,", b",DOLLAR,"))
    answer = await upload(act_as(owner), content, account.id)
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "pointer": "#/lines/2/BillingCurrency",
        "detail": "Not a currency code of ISO 4217. (DOLLAR)",
    }
    assert set((await rows_of(engine, owner)).values()) == {0}
