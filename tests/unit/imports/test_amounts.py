"""Amounts as banks write them."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.imports.amounts import DecimalSeparator, guess_separator, parse_amount
from backend.imports.contents import BadValue

POINT, COMMA = DecimalSeparator.POINT, DecimalSeparator.COMMA


@pytest.mark.parametrize(
    ("text", "separator", "amount"),
    [
        ("12.50", POINT, "12.50"),
        ("-1,234.56", POINT, "-1234.56"),
        ("1,234,567", POINT, "1234567"),
        ("12,34,567.89", POINT, "1234567.89"),
        ("(12.50)", POINT, "-12.50"),
        ("$ 1,000.00", POINT, "1000.00"),
        ("-£3.20", POINT, "-3.20"),
        ("USD 7.5", POINT, "7.5"),
        ("7.50 DR", POINT, "-7.50"),
        ("7.50CR", POINT, "7.50"),
        ("100.00-", POINT, "-100.00"),
        (".5", POINT, "0.5"),
        ("1.5e3", POINT, "1.5e3"),
        ("8e-07", POINT, "8e-07"),
        ("1.234,56", COMMA, "1234.56"),
        ("-1.234.567,8", COMMA, "-1234567.8"),
        ("1 234,56 €", COMMA, "1234.56"),
        ("1\u202f234,56", COMMA, "1234.56"),
        ("1'234.50 CHF", POINT, "1234.50"),
        ("\N{MINUS SIGN}3,00", COMMA, "-3.00"),
        ("+3,00", COMMA, "3.00"),
        ("3,00 S", COMMA, "-3.00"),
        ("3,00 H", COMMA, "3.00"),
    ],
)
def test_reads(text: str, separator: DecimalSeparator, amount: str) -> None:
    assert parse_amount(text, separator) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["", "-", "abc", "12abc", "1.2.3", "1,2", "12,3456.00", "1..2", "--5", "=1+2", "NaN", "1e999"],
)
def test_refuses(text: str) -> None:
    with pytest.raises(BadValue):
        parse_amount(text, POINT)


def test_refuses_what_has_no_end() -> None:
    with pytest.raises(BadValue):
        parse_amount("1" * 10_000, POINT)


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["12.50", "3"], POINT),
        (["12,50", "1.234"], COMMA),
        (["1.234"], COMMA),
        (["1,234"], POINT),
        (["1,234", "5,67"], COMMA),
        (["1.234.567"], COMMA),
        (["1,234.5"], POINT),
        (["", "abc"], POINT),
    ],
)
def test_the_whole_column_tells_what_its_decimals_follow(
    texts: list[str], separator: DecimalSeparator
) -> None:
    assert guess_separator(texts) is separator


AMOUNTS = st.decimals(-(10**9), 10**9, places=2)


@given(AMOUNTS)
def test_every_way_to_write_an_amount_is_read_back(amount: Decimal) -> None:
    plain = f"{amount:,.2f}"
    continental = plain.translate(str.maketrans(",.", ".,"))
    assert parse_amount(plain, POINT) == amount
    assert parse_amount(continental, COMMA) == amount
    assert parse_amount(f"{continental} EUR", COMMA) == amount
    if amount < 0:
        assert parse_amount(f"({plain.removeprefix('-')})", POINT) == amount


@given(st.lists(AMOUNTS, min_size=1))
def test_the_separator_of_a_column_is_found(amounts: list[Decimal]) -> None:
    assert guess_separator([f"{a:,.2f}" for a in amounts]) is POINT
    comma = [f"{a:,.2f}".translate(str.maketrans(",.", ".,")) for a in amounts]
    assert guess_separator(comma) is COMMA


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_a_bad_value(text: str) -> None:
    for separator in DecimalSeparator:
        with contextlib.suppress(BadValue):
            assert parse_amount(text, separator).is_finite()
