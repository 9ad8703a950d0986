"""What a file turns out to hold, and what is wrong with it: the shapes that all readers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from backend.errors import FieldError, InvalidInput
from backend.money import EXPONENTS
from backend.periods import FIRST_DATE, LAST_DATE

MAX_ROWS = 200_000
MAX_TAGS = 2_000_000  # of markup; each takes a hundred bytes of memory or more
MAX_VALUE_SHOWN = 100

AMOUNT_LIMIT = Decimal(10) ** 14


@dataclass(frozen=True, slots=True)
class Row:
    """A movement of a bank's file. `amount` is signed: negative for money that went out.

    `line` is the physical line of the file, from 1; `currency` is None where the file has none.
    `charges` is the part of the amount that the bank kept for itself. `is_transfer` is for money
    that goes to another account of the same owner.
    """

    line: int
    date: date
    amount: Decimal
    description: str
    currency: str | None = None
    vendor: str | None = None
    category: str | None = None
    external_id: str | None = None
    status: str = "paid"
    is_refund: bool = False
    is_transfer: bool = False
    charges: Decimal | None = None

    def called(self, external_id: str) -> Row:
        return replace(self, external_id=external_id)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row was left out: its line, the column at fault as the file calls it, and its value."""

    line: int
    column: str | None
    reason: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What the bank says an account held at the end of a day; negative for what is owed."""

    date: date
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Movements:
    """A bank's file, read. `columns` maps the fields of a row to the names the file has for them.

    `ignored` are the lines that are no movements, such as sums below the last one.
    """

    columns: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class BadValue(ValueError):
    """A cell that says nothing; the message is the reason that its reader is told."""


def unreadable(reason: str, *, line: int | None = None, column: str | None = None) -> InvalidInput:
    """The whole file is refused, and nothing of it is kept."""
    return InvalidInput(
        "The file cannot be imported.", errors=[FieldError(pointer(line, column), reason)]
    )


def pointer(line: int | None, column: str | None = None) -> str:
    """The place in the file, as a JSON pointer into its lines."""
    parts = ["#"]
    if line is not None:
        parts += ["lines", str(line)]
    if column is not None:
        parts.append(column[:MAX_VALUE_SHOWN].replace("~", "~0").replace("/", "~1"))
    return "/".join(parts)


def shortened(value: str) -> str:
    """What of a value is shown again: enough to find it."""
    visible = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    if len(visible) <= MAX_VALUE_SHOWN:
        return visible
    return visible[: MAX_VALUE_SHOWN - 1] + "…"


def clean_text(value: str, limit: int) -> str:
    """One line of at most `limit` characters; raises BadValue for what no text should hold."""
    if any(ord(c) < 32 and c not in "\n\r\t" for c in value):  # noqa: PLR2004  # first printable one
        raise BadValue("The text holds a control character.")
    text = " ".join(value.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def checked_date(value: date) -> date:
    if not FIRST_DATE <= value <= LAST_DATE:
        raise BadValue(f"The date is not between {FIRST_DATE} and {LAST_DATE}.")
    return value


def checked_currency(value: str) -> str:
    code = value.strip().upper()
    if code not in EXPONENTS:
        raise BadValue("Not a currency code of ISO 4217.")
    return code


def checked_amount(value: Decimal, currency: str) -> Decimal:
    """The amount, if the ledger can hold it in that currency."""
    if not value:
        raise BadValue("The amount is zero.")
    if abs(value) >= AMOUNT_LIMIT:
        raise BadValue("The amount has more than 14 digits before the point.")
    places = EXPONENTS[currency]
    if value != round(value, places):
        raise BadValue(f"{currency} has {places} decimals at most.")
    return value
