"""Encodings, delimiters, headers and rows of delimited text."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import InvalidInput
from backend.imports import csv_files
from backend.imports.amounts import DecimalSeparator
from backend.imports.csv_files import guess, open_csv, read_movements, settle
from backend.imports.dates import DateOrder
from backend.imports.decoding import decode
from backend.imports.mapping import Credits, Mapping
from backend.imports.tables import (
    MAX_COLUMNS,
    MAX_NAME,
    guess_delimiter,
    read_records,
    unique_names,
)

GERMAN = "Größe; Übertrag; Café; façade; Straße, äöü ÄÖÜ ß und mehr Text über Wörter"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (GERMAN.encode("utf-8"), "utf-8"),
        (GERMAN.encode("utf-8-sig"), "utf-8-sig"),
        (GERMAN.encode("cp1252"), "cp1252"),
        (GERMAN.encode("utf-16"), "utf-16"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("utf-16-be"), "utf-16-be"),
        ("Дата;Сумма;Описание платежа и название получателя".encode("cp1251"), "cp1251"),
    ],
)
def test_an_encoding_is_found(content: bytes, encoding: str) -> None:
    decoded = decode(content)
    assert decoded.encoding == encoding
    assert decoded.text == content.decode(encoding)


def test_a_named_encoding_must_fit() -> None:
    assert decode("é".encode("latin-1"), "latin-1").text == "é"
    with pytest.raises(InvalidInput) as refused:
        decode("a\nb\né".encode("latin-1"), "utf-8")
    assert refused.value.errors[0].pointer == "#/lines/3"
    with pytest.raises(InvalidInput, match="cannot be imported"):
        decode(b"x", "klingon")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_whatever_the_cells_hold(delimiter: str) -> None:
    rows = [["Date", "Text", "Amount"], ["2025-01-01", '"a, b; c | d"', "1"]] * 3
    assert guess_delimiter("\n".join(delimiter.join(row) for row in rows)) == delimiter


def test_records_know_the_line_they_start_on() -> None:
    records = read_records('a,b\r\n"x\ny",1\rz,2\n', ",")
    assert [(r.line, list(r.cells)) for r in records] == [
        (1, ["a", "b"]),
        (2, ["x\ny", "1"]),
        (4, ["z", "2"]),
    ]


def test_a_quote_that_is_never_closed_is_found() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_records('a,b\n1,"x\n2,y\n', ",")
    assert refused.value.errors[0].pointer == "#/lines/2"
    assert len(read_records('a,b\n1,12" pipe\n', ",")) == 2


def test_names_of_columns_are_made_unique() -> None:
    assert unique_names(["a", " a ", "", "b  c", ""]) == ["a", "a (2)", "Column 3", "b c"]


def guessed(text: str) -> Mapping:
    mapping = guess(open_csv(text.encode())).mapping
    assert mapping is not None
    return mapping


def test_a_table_without_a_header_is_read_by_its_contents() -> None:
    mapping = guessed("2025-03-01,Coffee at the corner,-3.80\n2025-03-02,Bread,-2.10\n")
    assert mapping.columns() == {
        "date": "Column 1",
        "amount": "Column 3",
        "description": "Column 2",
    }


def test_unknown_names_are_read_by_their_contents() -> None:
    mapping = guessed('When,Was,Wieviel\n01.03.2025,Kaffee,"-3,80"\n')
    assert mapping.columns() == {"date": "When", "amount": "Wieviel", "description": "Was"}
    assert mapping.date_format is None or mapping.date_format is DateOrder.DMY


def test_a_booking_date_is_preferred_to_a_value_date() -> None:
    mapping = guessed("Value date,Posting date,Details,Amount\n2025-03-02,2025-03-01,x,-1.00\n")
    assert mapping.date == "Posting date"


def test_debit_and_credit_columns_are_a_pair_or_nothing() -> None:
    pair = guessed("Date,Text,Debit,Credit\n2025-03-01,x,1.00,\n2025-03-02,x,,2.00\n")
    assert (pair.amount, pair.debit, pair.credit) == (None, "Debit", "Credit")
    single = guessed("Date,Text,Credit,Amount\n2025-03-01,x,,1.00\n2025-03-02,x,,2.00\n")
    assert (single.amount, single.debit, single.credit) == ("Amount", None, None)


def read(text: str, **mapping: Any) -> Any:
    chosen = Mapping(**mapping)
    file = open_csv(text.encode(), chosen)
    settled = settle(chosen, file.table)
    return read_movements(file.table, settled, "EUR")


def test_what_the_mapping_leaves_open_is_read_off_the_columns() -> None:
    chosen = Mapping(date="d", amount="a")
    settled = settle(chosen, open_csv(b"d;a\n13.04.2025;1.234,5\n", chosen).table)
    assert settled.date_format is DateOrder.DMY
    assert settled.decimal_separator is DecimalSeparator.COMMA


def test_a_card_may_write_its_purchases_without_a_minus() -> None:
    found = read("d,a\n2025-03-01,5.00\n2025-03-02,-2.00\n", date="d", amount="a", invert=True)
    assert [str(row.amount) for row in found.rows] == ["-5.00", "2.00"]


def test_what_comes_in_may_be_refunds() -> None:
    found = read(
        "d,a\n2025-03-01,-5.00\n2025-03-02,2.00\n", date="d", amount="a", credits=Credits.REFUND
    )
    assert [row.is_refund for row in found.rows] == [False, True]


def test_a_status_is_understood() -> None:
    text = "d,a,s\n2025-03-01,1.00,Pending\n2025-03-02,1.00,declined\n2025-03-03,1.00,ok\n"
    found = read(text, date="d", amount="a", status="s")
    assert [row.status for row in found.rows] == ["pending", "cancelled", "paid"]


def test_bad_rows_are_left_out_and_named() -> None:
    found = read(
        "d,a,c\n2025-03-01,1.00,EUR\nsoon,2.00,EUR\n2025-03-03,much,EUR\n2025-03-04,4.00,XXX\n"
        "2025-03-05,0.00,EUR\n2025-03-06,1.234,EUR\n2025-03-07,5,JPY\n2025-03-08,5.5,JPY\n,9,EUR\n"
        "2025-03-09,1.00\n",
        date="d",
        amount="a",
        currency="c",
    )
    assert [row.line for row in found.rows] == [2, 8]
    assert [(f.line, f.column, f.reason, f.value) for f in found.faults] == [
        (3, "d", "Not a date.", "soon"),
        (4, "a", "Not an amount.", "much"),
        (5, "c", "Not a currency code of ISO 4217.", "XXX"),
        (6, "a", "The amount is zero.", "0.00"),
        (7, "a", "EUR has 2 decimals at most.", "1.234"),
        (9, "a", "JPY has 0 decimals at most.", "5.5"),
        (10, "d", "The cell is empty.", None),
        (11, None, "The row has 2 cells, the header has 3 columns.", None),
    ]


def test_sums_at_the_end_are_no_rows_but_a_total_in_between_is_a_fault() -> None:
    found = read("d,a\n2025-03-01,1.00\nTotal,1.00\n", date="d", amount="a")
    assert (len(found.rows), found.ignored, found.faults) == (1, [3], [])
    found = read("d,a\nTotal,1.00\n2025-03-01,1.00\n", date="d", amount="a")
    assert (len(found.rows), found.ignored, len(found.faults)) == (1, [], 1)


def test_a_quote_that_swallows_rows_up_to_another_one_is_found() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_records('a,b\n1,"x\n3,"z"\n4,w\n', ",")
    assert refused.value.errors[0].pointer == "#/lines/2"


def test_a_row_without_end_is_refused_before_a_header_is_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_files, "find_header", lambda *_: pytest.fail("It was guessed."))
    with pytest.raises(InvalidInput) as refused:
        open_csv(b"Date,Amount\n" + b"1," * MAX_COLUMNS + b"1\n")
    assert [(e.pointer, e.detail) for e in refused.value.errors] == [
        ("#/lines/2", "The row has 501 cells; 500 at most are read.")
    ]


def test_delimiters_at_the_end_of_a_row_are_no_cells() -> None:
    """Some spreadsheets write as many as they have columns."""
    ends = "," * 16_000
    file = open_csv(f"Date,Amount,Text{ends}\n2025-03-10,1,a{ends}\n".encode())
    assert file.table.header == ["Date", "Amount", "Text"]
    movements = read_movements(file.table, Mapping(date="Date", amount="Amount"), "EUR")
    assert (len(movements.rows), movements.faults) == (1, [])


def test_the_name_of_a_column_is_no_text() -> None:
    with pytest.raises(InvalidInput) as refused:
        open_csv(f"Date,Amount,{'x' * (MAX_NAME + 1)}\n2025-03-10,1,a\n".encode())
    assert [(e.pointer, e.detail) for e in refused.value.errors] == [
        ("#/lines/1", "The name of column 3 has 201 characters; 200 at most are read.")
    ]
