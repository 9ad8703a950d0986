"""What request and answer shapes share: strict input, money as decimal strings, plain dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from backend.errors import FieldError, InvalidInput
from backend.money import EXPONENTS
from backend.periods import FIRST_DATE, LAST_DATE

EXAMPLE_ID = "0198f1a2-7d44-7c11-9a2e-1f0c5d3b6a70"
# Something to read in it, and no control characters but line feed and tab.
_TEXT_PATTERN = r"^[^\x00-\x08\x0b-\x1f]*[^\s\x85\x00-\x1f][^\x00-\x08\x0b-\x1f]*$"
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,4})?")
_PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(rf"{_PLAIN_DATE.pattern}[Tt ][0-9:.]+([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})")
# Below this, a JSON number with four decimals is the same number after its trip through binary.
_EXACT_FLOAT_LIMIT = 10**11


class Input(BaseModel):
    """A request body: unknown fields are refused, so that none is silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Patch(Input):
    """A partial update: only fields that are present count; `null` empties what may be."""

    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


def example(**values: Any) -> ConfigDict:  # noqa: ANN401  # JSON
    """The `model_config` of an input that shows one in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


def absent() -> Any:  # noqa: ANN401  # stands in for a value of any type
    """The default of a field that a `Patch` leaves alone; it is never read."""
    return None


class Output(BaseModel):
    """An answer, made from a row."""

    # All fields are always there, also those that have a default here.
    model_config = ConfigDict(
        from_attributes=True, json_schema_serialization_defaults_required=True
    )


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


def _instant(value: object) -> object:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise PydanticCustomError("instant", "Write an instant as 2025-03-10T12:00:00Z.")
    return value


def _whole_number(value: object) -> object:
    if isinstance(value, str | bool):
        raise PydanticCustomError("whole_number", "Write a whole number without quotes.")
    return value


def _known_currency(value: str) -> str:
    if value not in EXPONENTS:
        raise PydanticCustomError("currency", "Not a currency code of ISO 4217.")
    return value


def amount_schema(
    digits: int = 14, places: int = 4, *, zero: bool = True, signed: bool = False
) -> WithJsonSchema:
    """A plain decimal of at most so many digits before and after the point."""
    limit = min(10**digits, _EXACT_FLOAT_LIMIT)
    sign = "-?" if signed else ""
    text: dict[str, Any] = {
        "type": "string",
        "pattern": rf"^{sign}[0-9]{{1,{digits}}}(\.[0-9]{{1,{places}}})?$",
    }
    number: dict[str, Any] = {
        "type": "number",
        "exclusiveMaximum": limit,
        "multipleOf": 10**-places,
    }
    if signed:
        number["exclusiveMinimum"] = -limit
    elif zero:
        number["minimum"] = 0
    else:
        number["exclusiveMinimum"] = 0
        text["not"] = {"pattern": "^[0.]*$"}
    return WithJsonSchema({"anyOf": [text, number], "examples": ["12.50"]})


PositiveAmount = Annotated[
    Decimal, BeforeValidator(_decimal), Field(gt=0), amount_schema(zero=False)
]
NonNegativeAmount = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0), amount_schema()]
SignedAmount = Annotated[Decimal, BeforeValidator(_decimal), amount_schema(signed=True)]
PlainDate = Annotated[
    date,
    BeforeValidator(_plain_date),
    Field(ge=FIRST_DATE, le=LAST_DATE),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    Field(
        ge=datetime.combine(FIRST_DATE, time(), UTC), le=datetime.combine(LAST_DATE, time(), UTC)
    ),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Flag = Annotated[bool, Strict()]
UNQUOTED = BeforeValidator(_whole_number)  # on an `int` with its bounds
CurrencyCode = Annotated[
    str,
    Field(
        min_length=3,
        max_length=3,
        examples=["EUR"],
        json_schema_extra={"format": "currency-code", "description": "Of ISO 4217."},
    ),
    AfterValidator(_known_currency),
]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


def _stripped(limit: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=limit)


_PRINTABLE = AfterValidator(_no_control_characters)
_LEGIBLE = Field(json_schema_extra={"pattern": _TEXT_PATTERN})

Name = Annotated[str, _stripped(200), _PRINTABLE, _LEGIBLE]
Description = Annotated[str, _stripped(500), _PRINTABLE, _LEGIBLE]
LongText = Annotated[str, _stripped(2000), _PRINTABLE, _LEGIBLE]
ShortText = Annotated[str, _stripped(100), _PRINTABLE, _LEGIBLE]
SearchText = Annotated[str, _stripped(100), _PRINTABLE, _LEGIBLE]
_ADDRESS = Field(examples=["ada@example.com"])
EmailText = Annotated[str, _stripped(320), _PRINTABLE, _LEGIBLE, _ADDRESS]
Email = Annotated[
    str,
    _stripped(320),
    StringConstraints(pattern=r"^[^@\s\x85\x00-\x1f]+@[^@\s\x85\x00-\x1f]+$"),
    _ADDRESS,
]


class DayRange(BaseModel):
    """Parameters of a list that can be cut to some days."""

    from_date: PlainDate | None = Field(None, description="The first day.")
    to_date: PlainDate | None = Field(None, description="The last day.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise InvalidInput(
                "The days are not in order.",
                errors=[FieldError("to_date", "Must not lie before `from_date`.")],
            )
        return self
