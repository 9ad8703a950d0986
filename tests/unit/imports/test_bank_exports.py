"""What the exports of single banks have taught: columns, signs, words and encodings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.errors import InvalidInput
from backend.imports.dates import DateOrder, possible_orders
from backend.imports.mapping import Mapping
from backend.imports.reading import Reading, read

CARD = "Date,Description,Amount\n2025-03-01,Bread,12.50\n2025-03-02,Tea,3.00\n2025-03-03,Tea,4.00\n"


def preview(
    text: str, mapping: Mapping | None = None, *, currency: str = "EUR", is_card: bool = False
) -> Reading:
    return read(text.encode(), None, mapping, currency, preview=True, is_card=is_card)


def guessed(text: str) -> dict[str, str]:
    mapping = preview(text).mapping
    assert mapping is not None
    return mapping.columns()


@pytest.mark.parametrize(
    "name",
    [
        "Glaeubiger ID",
        "Gläubiger-ID",
        "Creditor ID",
        "SEPA Creditor Id",
        "Mandatsreferenz",
        "Mandate Reference",
        "Mandate ID",
        "End-to-End ID",
        "Customer ID",
    ],
)
def test_what_names_a_party_or_mandate_is_no_id_of_a_transaction(name: str) -> None:
    columns = guessed(f"Buchungstag,{name},Betrag\n01.03.2025,DE98ZZZ09999999999,-1.00\n")
    assert "external_id" not in columns
    columns = guessed(f"Date,{name},Transaction ID,Amount\n2025-03-01,DE98ZZZ,t-1,-1.00\n")
    assert columns["external_id"] == "Transaction ID"


N26 = (
    '"Booking Date","Partner Name","Payment Reference","Amount (EUR)","Original Amount",'
    '"Original Currency","Exchange Rate"\n'
    '2025-03-01,"Diner","Lunch",-9.20,-10.00,USD,1.087\n'
)


def test_the_original_amount_and_currency_of_a_payment_abroad_are_left_alone() -> None:
    columns = guessed(N26)
    assert columns["amount"] == "Amount (EUR)"
    assert "currency" not in columns
    columns = guessed(
        "Date,Text,Foreign Amount,Foreign Currency,Amount,Currency\n2025-03-01,x,-9,USD,-8,EUR\n"
    )
    assert (columns["amount"], columns["currency"]) == ("Amount", "Currency")


def test_the_currency_in_the_header_of_the_amounts_is_theirs() -> None:
    movements = preview(N26, currency="CHF").movements
    assert movements is not None
    assert [(row.amount, row.currency) for row in movements.rows] == [(Decimal("-9.20"), "EUR")]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("", "paid"),
        ("Completed", "paid"),
        ("Ausgeführt", "paid"),
        ("PENDING", "pending"),
        ("En attente", "pending"),
        ("REVERTED", "cancelled"),
        ("Reversed", "cancelled"),
        ("FAILED", "cancelled"),
        ("declined", "cancelled"),
        ("Refunded", "refunded"),
    ],
)
def test_the_words_for_a_status(word: str, status: str) -> None:
    movements = preview(f"Date,Text,Amount,State\n2025-03-01,Bread,-1.00,{word}\n").movements
    assert movements is not None
    assert [row.status for row in movements.rows] == [status]


@pytest.mark.parametrize("word", ["blah", "?", "оплачено"])
def test_an_unknown_status_is_a_fault_of_its_row(word: str) -> None:
    movements = preview(f"Date,Text,Amount,State\n2025-03-01,Bread,-1.00,{word}\n").movements
    assert movements is not None
    assert movements.rows == []
    assert [(fault.column, fault.value) for fault in movements.faults] == [("State", word)]
    assert "status" in movements.faults[0].reason


def test_a_card_whose_purchases_have_no_minus_is_turned_round_and_says_so() -> None:
    text = CARD + "2025-03-04,PAYMENT RECEIVED,-19.50\n"
    reading = preview(text, is_card=True)
    assert reading.mapping is not None
    assert reading.mapping.invert
    assert reading.confidence is not None
    assert reading.confidence <= 0.5
    assert reading.movements is not None
    assert [row.amount > 0 for row in reading.movements.rows] == [False, False, False, True]
    assert "invert" in " ".join(reading.movements.notes)

    for other in (preview(text), preview(text.replace(",1", ",-1").replace(",4", ",-4"))):
        assert other.mapping is not None
        assert not other.mapping.invert


def test_a_card_whose_purchases_have_a_minus_is_left_as_it_is() -> None:
    text = "Date,Description,Amount\n2025-03-01,Bread,-12.50\n2025-03-04,PAYMENT,12.50\n"
    reading = preview(text, is_card=True)
    assert reading.mapping is not None
    assert not reading.mapping.invert
    assert reading.movements is not None
    assert reading.movements.notes == []


def test_dates_with_dots_start_with_the_day() -> None:
    assert possible_orders(["02.01.26", "03.04.2025"]) == [DateOrder.DMY]
    reading = preview("Datum;Text;Betrag\n02.01.26;Brot;-1,00\n")
    assert reading.mapping is not None
    assert reading.mapping.date_format is DateOrder.DMY


@pytest.mark.parametrize(
    "mapping", [None, Mapping(date="Date", description="Text", amount="Amount")]
)
def test_a_preview_shows_the_columns_when_the_dates_are_in_doubt(mapping: Mapping | None) -> None:
    text = "Date,Text,Amount\n03/04/2025,Bread,-2.00\n"
    reading = preview(text, mapping)
    assert reading.mapping is not None
    assert reading.mapping.date_format is None
    assert list(reading.columns) == ["Date", "Text", "Amount"]
    assert reading.movements is not None
    assert reading.movements.rows == []
    (note,) = reading.movements.notes
    assert "date_format" in note
    assert "DMY" in note
    assert "MDY" in note
    with pytest.raises(InvalidInput, match="two ways"):
        read(text.encode(), None, mapping, "EUR", preview=False)


def test_an_encoding_that_was_only_guessed_is_named() -> None:
    text = "Date,Text,Amount\n2025-03-01,Café,-2.00\n"
    legacy = read(text.encode("cp1252"), None, None, "EUR", preview=True)
    assert legacy.movements is not None
    (note,) = legacy.movements.notes
    assert legacy.encoding is not None
    assert legacy.encoding in note
    assert "encoding" in note
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        certain = read(text.encode(encoding), None, None, "EUR", preview=True)
        assert certain.movements is not None
        assert certain.movements.notes == []
    mapping = Mapping(date="Date", description="Text", amount="Amount", encoding="cp1252")
    named = read(text.encode("cp1252"), None, mapping, "EUR", preview=False)
    assert named.movements is not None
    assert named.movements.notes == []


OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><ACCTID>1</BANKACCTFROM>
<BANKTRANLIST>
<STMTTRN><TRNTYPE>XFER<DTPOSTED>20250301<TRNAMT>-500.00<FITID>a<NAME>To savings</STMTTRN>
<STMTTRN><TRNTYPE>XFER<DTPOSTED>20250302<TRNAMT>200.00<FITID>b<NAME>From savings</STMTTRN>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20250303<TRNAMT>-3.00<FITID>c<NAME>Bread</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


def test_a_transfer_in_ofx_that_goes_out_is_one() -> None:
    movements = preview(OFX).movements
    assert movements is not None
    assert [row.is_transfer for row in movements.rows] == [True, False, False]
    (note,) = movements.notes
    assert "income" in note
