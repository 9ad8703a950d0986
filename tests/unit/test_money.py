from __future__ import annotations

from decimal import Decimal

import pytest

from backend.money import EXPONENTS, fits_currency, format_amount


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("12.5000", "EUR", "12.50"),
        ("12.5010", "EUR", "12.501"),
        ("0.0000", "EUR", "0.00"),
        ("1E+3", "EUR", "1000.00"),
        ("1200.0000", "JPY", "1200"),
        ("1200.5000", "JPY", "1200.5"),
        ("1.5", "KWD", "1.500"),
        ("99999999999999.9999", "EUR", "99999999999999.9999"),
        ("-3", "USD", "-3.00"),
    ],
)
def test_amounts_are_written_by_their_currency(amount: str, currency: str, written: str) -> None:
    assert format_amount(Decimal(amount), currency) == written


def test_the_currencies_are_those_of_iso_4217() -> None:
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    assert (EXPONENTS["EUR"], EXPONENTS["JPY"], EXPONENTS["BHD"], EXPONENTS["CLF"]) == (2, 0, 3, 4)
    assert "XXX" not in EXPONENTS


@pytest.mark.parametrize(
    ("amount", "currency", "fits"),
    [
        ("10.50", "EUR", True),
        ("10.5000", "EUR", True),
        ("10.501", "EUR", False),
        ("-10.501", "EUR", False),
        ("10", "JPY", True),
        ("10.0", "JPY", True),
        ("10.5", "JPY", False),
        ("1.125", "KWD", True),
        ("1.0001", "KWD", False),
        ("99999999999999.9999", "CLF", True),
    ],
)
def test_whether_an_amount_fits_its_currency(amount: str, currency: str, *, fits: bool) -> None:
    assert fits_currency(Decimal(amount), currency) is fits
