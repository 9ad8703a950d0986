"""The layouts are the European Central Bank's; the numbers are made up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from backend.errors import InvalidInput
from backend.ledger.fx_file import MAX_COLUMNS, MAX_FAULTS, Rate, read_rates

HISTORY = b"""\
Date,USD,JPY,CYP,GBP,
2025-03-11,1.0912,161.25,N/A,0.8431,
2025-03-10,1.0842,160.10,0.5853,N/A,
"""
LATEST = b"Date, USD, JPY, \n10 March 2025, 1.0842, 160.10, \n"
LONG = b"""\
KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE,OBS_STATUS,TITLE
EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2025-03-10,1.0842,A,"US dollar/Euro, daily"
EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2025-03-11,,H,"US dollar/Euro, daily"
EXR.M.USD.EUR.SP00.A,M,USD,EUR,SP00,A,2025-03,1.0801,A,"US dollar/Euro, monthly"
"""
USD = Rate("EUR", "USD", date(2025, 3, 10), Decimal("1.0842000000"))


def faults(content: bytes) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        read_rates(content)
    return {fault.pointer: fault.detail for fault in refused.value.errors}


def test_the_history_has_a_column_for_each_currency_even_for_those_that_are_gone() -> None:
    file = read_rates(HISTORY)
    found = {(r.quote, r.date.day): str(r.rate.normalize()) for r in file.rates}
    assert found == {
        ("USD", 11): "1.0912",
        ("JPY", 11): "161.25",
        ("GBP", 11): "0.8431",
        ("USD", 10): "1.0842",
        ("JPY", 10): "160.1",
    }
    assert {r.base for r in file.rates} == {"EUR"}
    assert file.ignored == ["CYP"]


def test_the_file_of_the_latest_day_writes_its_date_in_words() -> None:
    assert read_rates(LATEST).rates[0] == USD


def test_the_long_layout_has_a_line_for_each_rate() -> None:
    assert read_rates(LONG).rates == [USD]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_marks_and_line_ends_of_other_systems_do_not_matter(end: bytes) -> None:
    content = b"\xef\xbb\xbf" + HISTORY.replace(b"\n", end)
    assert len(read_rates(content).rates) == 5


def test_a_rate_that_is_there_twice_and_the_same_is_one() -> None:
    assert len(read_rates(HISTORY + b"2025-03-10,1.0842,,,,\n").rates) == 5


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        (b"", ["#/1"]),
        (b"\n\n", ["#/1"]),
        (b"Datum,USD\n", ["#/1"]),
        (b"Date,USD\n", ["#"]),
        (b"Date,USD\n2025-03-10,N/A\n", ["#"]),
        (b"Date,Dollar\n2025-03-10,1\n", ["#/1/Dollar"]),
        (b"Date,USD,USD\n2025-03-10,1,1\n", ["#/1/USD"]),
        (b"Date,EUR\n2025-03-10,1\n", ["#/1/EUR"]),
        (b"Date,USD\n10.03.2025,1\n", ["#/2/Date"]),
        (b"Date,USD\n2025-02-30,1\n", ["#/2/Date"]),
        (b"Date,USD\n30 February 2025,1\n", ["#/2/Date"]),
        (b"Date,USD\n1066-10-14,1\n", ["#/2/Date"]),
        (b"Date,USD,JPY\n2025-03-10,x,1\n2025-03-11,1,-1\n", ["#/2/USD", "#/3/JPY"]),
        (b"Date,USD\n2025-03-10,0\n", ["#/2/USD"]),
        (b"Date,USD\n2025-03-10,0.00000000001\n", ["#/2/USD"]),
        (b"Date,USD\n2025-03-10,1e3\n", ["#/2/USD"]),
        (b"Date,USD\n2025-03-10,NaN0\n", ["#/2/USD"]),
        (b'Date,USD\n2025-03-10,"1,08"\n', ["#/2/USD"]),
        (b"Date,USD\n2025-03-10,99999999999\n", ["#/2/USD"]),
        (b"Date,USD\n2025-03-10,1,2\n", ["#/2/3"]),
        (b"Date,USD\n2025-03-10,1\n2025-03-10,2\n", ["#/3/USD"]),
        (b'Date,USD\n2025-03-10,"1\n', ["#/2"]),
        (b"Date,USD\n2025-03-10,\xff\n", ["#"]),
        (
            b"CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nUSD,USD,2025-03-10,1\n",
            ["#/2/OBS_VALUE"],
        ),
        (
            b"CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nusd,EUR,2025-03-10,1\n",
            ["#/2/CURRENCY"],
        ),
        (b"CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nUSD,EUR,March,1\n", ["#/2/TIME_PERIOD"]),
        (b"CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nUSD,EUR\n", ["#/2/OBS_VALUE"]),
    ],
)
def test_every_damage_is_told_where_it_is(content: bytes, pointers: list[str]) -> None:
    assert list(faults(content)) == pointers


def test_a_file_that_is_wrong_all_over_is_not_told_without_end() -> None:
    assert len(faults(b"Date,USD\n" + b"x,1\n" * 5000)) == MAX_FAULTS


@pytest.mark.parametrize("first", [b"Date,", b"CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE,"])
def test_a_line_with_more_columns_than_there_are_currencies_is_refused(first: bytes) -> None:
    assert faults(first + b"USD," * MAX_COLUMNS) == {"#/1": "More than 500 columns."}


def test_the_columns_are_not_faulted_without_end() -> None:
    header = b",".join(b"x%d" % n for n in range(MAX_FAULTS + 50))
    found = faults(b"Date," + header + b"\n")
    assert list(found) == [f"#/1/x{n}" for n in range(MAX_FAULTS)]


def test_a_column_that_is_there_twice_or_is_the_base_is_named() -> None:
    detail = "Not a currency code, or there twice."
    assert faults(b"Date,USD,EUR,JPY,USD,\n") == {"#/1/EUR": detail, "#/1/USD": detail}
