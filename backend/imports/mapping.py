"""Which column of a table says what; guessed by `guessing`, confirmed by who uploads it."""

from __future__ import annotations

import re
from collections.abc import Mapping as Fields
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from backend.errors import FieldError, did_you_mean
from backend.imports.amounts import DecimalSeparator
from backend.imports.dates import DateOrder
from backend.money import EXPONENTS


class Credits(StrEnum):
    """What money that comes in is booked as."""

    INCOME = "income"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Names of columns, and how to read them. Either `amount`, or `debit` and `credit`, or one.

    `invert` is for statements of cards that write a purchase without a minus. A row with an empty
    `external_id` is recognised by what it says.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    date: str
    amount: str | None = None
    debit: str | None = None
    credit: str | None = None
    currency: str | None = None
    description: str | None = None
    vendor: str | None = None
    category: str | None = None
    external_id: str | None = None
    status: str | None = None
    date_format: DateOrder | None = None
    decimal_separator: DecimalSeparator | None = None
    invert: bool = False
    credits: Credits = Credits.INCOME
    encoding: str | None = None
    delimiter: str | None = None

    def columns(self) -> dict[str, str]:
        """The columns by what they say."""
        named = {name: getattr(self, name) for name in COLUMNS}
        return {name: column for name, column in named.items() if column is not None}


COLUMNS = tuple(
    f.name
    for f in fields(Mapping)
    if f.name
    not in {"date_format", "decimal_separator", "invert", "credits", "encoding", "delimiter"}
)


_UNIT = re.compile(r"[(\[ _/-]([A-Z]{3})[)\]]?$")


def currency_of_amounts(columns: Fields[str, str]) -> str | None:
    """The currency that the header of the amounts ends in, as `Amount (EUR)` does."""
    headers = [columns[field] for field in ("amount", "debit", "credit") if field in columns]
    named = {found[1] for header in headers if (found := _UNIT.search(header))}
    return named.pop() if len(named) == 1 and named <= EXPONENTS.keys() else None


def faults_of(mapping: Mapping, header: Sequence[str]) -> list[FieldError]:
    """What keeps the mapping from being used on a table with that header."""
    faults = [
        FieldError(f"mapping/{name}", f"There is no such column. {did_you_mean(column, header)}")
        for name, column in mapping.columns().items()
        if column not in header
    ]
    if mapping.amount is None and mapping.debit is None and mapping.credit is None:
        faults.append(FieldError("mapping/amount", "Name the column of the amounts."))
    if mapping.amount is not None and (mapping.debit or mapping.credit):
        faults.append(
            FieldError("mapping/amount", "Name either one column of amounts or debit and credit.")
        )
    return faults
