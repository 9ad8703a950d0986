"""Every sample is read whole: no row is lost, and none is misread."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from backend.errors import InvalidInput
from backend.imports.contents import Balance, Movements
from backend.imports.identities import identify
from backend.imports.reading import Reading, read
from backend.imports.sniffing import FileFormat

SAMPLES = Path(__file__).parents[2] / "samples"
ACCOUNT = UUID(int=1)


def sample(name: str) -> Reading:
    return read((SAMPLES / name).read_bytes(), None, None, "EUR", preview=True)


def movements(name: str) -> Movements:
    found = sample(name).movements
    assert found is not None
    assert found.faults == []
    return found


def test_a_german_bank() -> None:
    reading = sample("bank_de.csv")
    assert (reading.format, reading.encoding, reading.delimiter) == (FileFormat.CSV, "cp1252", ";")
    found = movements("bank_de.csv")
    assert [(r.line, r.date.day, r.amount, r.vendor) for r in found.rows] == [
        (7, 3, Decimal("-1234.56"), "Müller & Söhne GmbH"),
        (8, 5, Decimal("-3.80"), "Café Zentral"),
        (9, 5, Decimal("-3.80"), "Café Zentral"),
        (10, 14, Decimal("850.00"), "Ärzteverlag AG"),
        (11, 28, Decimal("-96.40"), "Stadtwerke Köln"),
    ]
    assert found.rows[0].description == "Rechnung 4711; Lieferung März"
    assert found.ignored == [12]


def test_an_american_card() -> None:
    found = movements("card_us.csv")
    assert [(r.date.isoformat(), r.amount) for r in found.rows] == [
        ("2025-03-14", Decimal("-1204.50")),
        ("2025-03-15", Decimal("-4.25")),
        ("2025-03-16", Decimal("-19.99")),
        ("2025-03-17", Decimal("204.50")),
    ]
    assert found.rows[2].description == '=HYPERLINK("x") Gift Shop'
    assert found.rows[0].external_id == "A-1001"


def test_ofx_in_sgml() -> None:
    found = movements("statement_v1.ofx")
    assert [(r.line, r.date.day, r.amount, r.currency, r.description) for r in found.rows] == [
        (19, 3, Decimal("-52.10"), "EUR", "Café & Bar"),
        (27, 10, Decimal("1500.00"), "EUR", "Salary March"),
        (35, 12, Decimal("-20.00"), "GBP", "Bookshop"),
    ]
    assert found.balances == [Balance(date(2025, 3, 31), Decimal("2345.67"), "EUR")]


def test_ofx_in_xml() -> None:
    found = movements("statement_v2.qfx")
    assert [(r.external_id, r.amount, r.vendor, r.description) for r in found.rows] == [
        ("cc-1", Decimal("-89.90"), "Railway", "Ticket <1st class>"),
        ("cc-2", Decimal("12.00"), "Shop", "Returned goods"),
    ]
    assert found.balances == [Balance(date(2025, 3, 31), Decimal("-77.90"), "EUR")]


@pytest.mark.parametrize("version", ["camt053_v2.xml", "camt053_v8.xml"])
def test_camt053(version: str) -> None:
    found = movements(version)
    assert [(r.date.day, r.amount, r.description, r.vendor, r.status) for r in found.rows] == [
        (4, Decimal("-250.00"), "Rent March Office 3", "Landlord", "paid"),
        (4, Decimal("-350.00"), "RF18539007547034", "Printer AG", "paid"),
        (10, Decimal("-21.50"), "Cash abroad", None, "paid"),
        (12, Decimal("45.00"), "Direct debit returned", "Gym", "paid"),
        (1, Decimal("-9.99"), "Music", None, "pending"),
    ]
    assert [r.external_id for r in found.rows] == ["BATCH-1", "BATCH-1#2", "ATM-7", "REV-2", None]
    assert [r.is_refund for r in found.rows] == [False, False, False, True, False]
    assert [r.charges for r in found.rows] == [None, None, Decimal("1.50"), None, None]
    assert found.balances == [Balance(date(2025, 3, 31), Decimal("423.40"), "EUR")]


def test_details_that_do_not_add_up_leave_their_entry_whole() -> None:
    text = (SAMPLES / "camt053_v8.xml").read_text().replace(">350.00<", ">340.00<")
    found = read(text.encode(), None, None, "EUR", preview=True).movements
    assert found is not None
    assert (found.rows[0].amount, found.rows[0].description) == (Decimal("-600.00"), "Batch of 2")
    assert found.notes == [
        "Line 17: the 2 details do not add up to their entry, which was taken whole."
    ]


def test_focus() -> None:
    reading = sample("focus_1_0.csv")
    assert reading.format is FileFormat.FOCUS
    costs = reading.costs
    assert costs is not None
    assert (len(costs.rows), costs.faults) == (60, [])
    assert {row.values["provider"] for row in costs.rows} == {"AWS", "Microsoft", "Oracle"}
    assert len({row.values["row_digest"] for row in costs.rows}) == 60


def test_two_equal_coffees_are_two_and_stay_the_same_two() -> None:
    found = movements("bank_de.csv")
    ids = [row.external_id for row in identify(found, ACCOUNT)]
    assert len(set(ids)) == 5
    assert [row.external_id for row in identify(movements("bank_de.csv"), ACCOUNT)] == ids
    assert [row.external_id for row in identify(found, UUID(int=2))] != ids


@pytest.mark.parametrize("format_", [FileFormat.OFX, FileFormat.CAMT053, FileFormat.FOCUS])
def test_a_file_of_another_format_than_was_said(format_: FileFormat) -> None:
    with pytest.raises(InvalidInput):
        read((SAMPLES / "card_us.csv").read_bytes(), format_, None, "EUR", preview=True)
