"""What request and answer shapes share: strict input, money as decimal strings, plain dates."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from backend.money import EXPONENTS

FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2200, 1, 1)

_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,4})?")
_PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Below this, a JSON number with four decimals is the same number after its trip through binary.
_EXACT_FLOAT_LIMIT = 10**11


class Input(BaseModel):
    """A request body: unknown fields are refused, so that none is silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Patch(Input):
    """A partial update: only fields that are present count; `null` empties what may be."""

    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


def absent() -> Any:  # noqa: ANN401  # stands in for a value of any type
    """The default of a field that a `Patch` leaves alone; it is never read."""
    return None


class Output(BaseModel):
    """An answer, made from a row."""

    model_config = ConfigDict(from_attributes=True)


class Versioned(Output):
    version: str = Field(
        description="Differs after every write; an update names it, in quotes, in `If-Match`."
    )


def _no_control_characters(value: str) -> str:
    # NUL cannot be stored at all; the others only ever arrive by accident or with intent.
    if any(ord(c) < 32 and c not in "\n\t" for c in value):  # noqa: PLR2004  # first printable one
        raise PydanticCustomError("control_character", "Must not contain control characters.")
    return value


def _decimal(value: object) -> object:
    if isinstance(value, bool) or value is None:
        raise PydanticCustomError("amount", 'Write an amount as a decimal string such as "12.50".')
    if isinstance(value, float):
        if not abs(value) < _EXACT_FLOAT_LIMIT:
            raise PydanticCustomError(
                "amount", "A JSON number this large is not exact: write it as a decimal string."
            )
        value = format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, int):
        value = str(value)
    if isinstance(value, str):
        if not _PLAIN_NUMBER.fullmatch(value):
            raise PydanticCustomError(
                "amount",
                "Write a plain decimal with at most 14 digits before and 4 after the point.",
            )
        return Decimal(value)
    return value


def _plain_date(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _PLAIN_DATE.fullmatch(value):
        raise PydanticCustomError("plain_date", "Write a date as YYYY-MM-DD.")
    return value


def _known_currency(value: str) -> str:
    if value not in EXPONENTS:
        raise PydanticCustomError("currency", "Not a currency code of ISO 4217.")
    return value


_amount_schema = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^[0-9]{1,14}(\.[0-9]{1,4})?$"},
            {"type": "number", "minimum": 0, "exclusiveMaximum": _EXACT_FLOAT_LIMIT},
        ],
        "examples": ["12.50"],
    }
)

PositiveAmount = Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0), _amount_schema]
NonNegativeAmount = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0), _amount_schema]
PlainDate = Annotated[
    date,
    BeforeValidator(_plain_date),
    Field(ge=FIRST_DATE, le=LAST_DATE),
    WithJsonSchema({"type": "string", "format": "date"}),
]
CurrencyCode = Annotated[
    str, Field(min_length=3, max_length=3, examples=["EUR"]), AfterValidator(_known_currency)
]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


def _stripped(limit: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=limit)


_PRINTABLE = AfterValidator(_no_control_characters)

Name = Annotated[str, _stripped(200), _PRINTABLE]
Description = Annotated[str, _stripped(500), _PRINTABLE]
LongText = Annotated[str, _stripped(2000), _PRINTABLE]
ShortText = Annotated[str, _stripped(100), _PRINTABLE]
SearchText = Annotated[str, _stripped(100), _PRINTABLE]
EmailText = Annotated[str, _stripped(320), _PRINTABLE, Field(examples=["ada@example.com"])]
Email = Annotated[EmailText, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]
