"""Amounts as banks write them: `-1.234,56`, `(12.50)`, `1'000.00 CHF`, `12,50-`, `USD 3 DR`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from backend.imports.contents import BadValue
from backend.money import EXPONENTS


class DecimalSeparator(StrEnum):
    POINT = "."
    COMMA = ","


_NOT_AN_AMOUNT = "Not an amount."
_LONGEST = 40
_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f'’_]")  # noqa: RUF001  # they separate thousands
_UNIT = re.compile(r"R\$|[€$£¥₹₽₺₩]|[^\W\d_]{2,3}\b\.?")
_SIGNS_OF_MONEY = {"kr", "zł", "kč", "fr", "sfr", "rs"}
_DIRECTION = re.compile(r"(?<=[\d)\s.,])(CR|DR|C|D|S|H)\.?$")
_OUTGOING = {"DR", "D", "S"}  # debit, Soll
_DIGITS = re.compile(r"\d*\.?\d*")
_GROUPS = {
    DecimalSeparator.POINT: re.compile(r"\d{1,3}(,\d{2,3})*,\d{3}(?=\.|$)"),
    DecimalSeparator.COMMA: re.compile(r"\d{1,3}(\.\d{2,3})*\.\d{3}(?=,|$)"),
}
_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d{1,2}")
_MAYBE_THOUSANDS = re.compile(r"\d{1,3}([.,])\d{3}")


def parse_amount(text: str, separator: DecimalSeparator) -> Decimal:
    """The amount with its sign; raises BadValue."""
    if len(text) > _LONGEST:
        raise BadValue(_NOT_AN_AMOUNT)
    if separator is DecimalSeparator.POINT and _SCIENTIFIC.fullmatch(text.strip()):
        return Decimal(text.strip())
    negative, digits = _without_signs(text)
    point, other = (".", ",") if separator is DecimalSeparator.POINT else (",", ".")
    if other in digits:
        if not _GROUPS[separator].match(digits):
            raise BadValue(f"Not an amount with {separator!s} before its decimals.")
        digits = digits.replace(other, "")
    digits = digits.replace(point, ".")
    if not _DIGITS.fullmatch(digits) or not any(c.isdecimal() for c in digits):
        raise BadValue(_NOT_AN_AMOUNT)
    value = Decimal(digits)
    return -value if negative else value


def guess_separator(texts: Iterable[str]) -> DecimalSeparator:
    """What the decimals of a column follow, judged by every cell of it.

    `1.234` alone says neither; with three digits behind it a mark is taken to separate thousands,
    for hardly any currency has so many decimals.
    """
    votes = dict.fromkeys(DecimalSeparator, 0)
    hints = dict.fromkeys(DecimalSeparator, 0)
    for text in texts:
        try:
            _, digits = _without_signs(text)
        except BadValue:
            continue
        mark = max(".,", key=digits.rfind)
        if mark not in digits:
            continue
        if _MAYBE_THOUSANDS.fullmatch(digits):
            hints[_other(mark)] += 1
        elif digits.count(mark) > 1:
            votes[_other(mark)] += 1
        else:
            votes[DecimalSeparator(mark)] += 1
    for counted in (votes, hints):
        if counted[DecimalSeparator.POINT] != counted[DecimalSeparator.COMMA]:
            return max(DecimalSeparator, key=lambda s: counted[s])
    return DecimalSeparator.POINT


def _other(mark: str) -> DecimalSeparator:
    return DecimalSeparator.COMMA if mark == "." else DecimalSeparator.POINT


def _without_signs(text: str) -> tuple[bool, str]:
    """Whether it is negative, and its digits with their separators."""
    rest = text.strip().replace("\N{MINUS SIGN}", "-")
    negative = False
    if found := _DIRECTION.search(rest):
        negative = found[1] in _OUTGOING
        rest = rest[: found.start()].strip()
    rest = _SPACES.sub("", _UNIT.sub(_without_unit, rest))
    if rest.startswith("(") and rest.endswith(")"):
        negative, rest = True, rest[1:-1]
    if rest.startswith(("-", "+")):
        negative, rest = negative != (rest[0] == "-"), rest[1:]
    elif rest.endswith(("-", "+")):
        negative, rest = negative != (rest[-1] == "-"), rest[:-1]
    if not rest or not all(c.isascii() and (c.isdecimal() or c in ".,") for c in rest):
        raise BadValue(_NOT_AN_AMOUNT)
    return negative, rest


def _without_unit(found: re.Match[str]) -> str:
    name = found[0].rstrip(".")
    is_word = name[:1].isalpha() and name != "R$"
    known = not is_word or name.upper() in EXPONENTS or name.lower() in _SIGNS_OF_MONEY
    return "" if known else found[0]
