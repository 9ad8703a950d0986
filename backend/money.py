"""Currencies of ISO 4217 and how an amount of each is written."""

from __future__ import annotations

from decimal import Context, Decimal

# Active codes by the number of decimals of their minor unit, funds and metals left out.
_MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL "
        "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN "
        "PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
        "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# Withdrawn in the last years, and still in ledgers.
_WITHDRAWN = "ANG BGN BYR CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL"

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_WITHDRAWN.split(), 2),
    **{code: places for places, codes in _MINOR_UNITS.items() for code in codes.split()},
}

_WIDE = Context(prec=100)


def format_amount(amount: Decimal, currency: str) -> str:
    """`amount` in plain digits: the decimals of the currency's minor unit, more only if needed.

    ``Decimal("12.5000")`` in EUR is ``"12.50"``, in JPY ``"12.5"``.
    """
    exponent = amount.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) else 0
    return f"{amount:.{max(needed, EXPONENTS.get(currency, 2))}f}"


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """`amount` to the currency's minor unit, halves to the even one."""
    return rounded_to(amount, EXPONENTS.get(currency, 2))


def rounded_to(number: Decimal, places: int) -> Decimal:
    """`number` to that many decimals, also where it has more digits than contexts usually hold."""
    return number.quantize(Decimal(1).scaleb(-places), context=_WIDE)


def fits_currency(amount: Decimal, currency: str) -> bool:
    """Whether `amount` has no more decimals than the currency's minor unit."""
    return round_amount(amount, currency) == amount


def decimals_of(currency: str) -> str:
    """In words."""
    places = EXPONENTS.get(currency, 2)
    return f"{places} decimals at most" if places else "no decimals"
