from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, field_serializer
from pydantic_core import PydanticCustomError

from api.paging import PageParams
from api.schemas.common import (
    CurrencyCode,
    Input,
    Output,
    PlainDate,
    PositiveAmount,
    ShortText,
    amount_schema,
)
from backend.ledger.fx_rates import Conversion, Imported
from backend.ledger.models import FxRate
from backend.money import format_amount

_PLAIN_RATE = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")


def _decimal(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = format(Decimal(repr(value)), "f")
    if not isinstance(value, str) or not _PLAIN_RATE.fullmatch(value):
        raise PydanticCustomError(
            "rate", "Write a plain decimal with at most 10 digits before and after the point."
        )
    return Decimal(value)


RateIn = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(gt=0),
    amount_schema(digits=10, places=10, zero=False),
]


class FxRateIn(Input):
    rate: RateIn = Field(
        description="What one unit of the base costs in the quote currency.", examples=["1.0842"]
    )
    source: ShortText = Field("manual", description="Who said so.", examples=["ECB"])


class FxRateOut(Output):
    base: str
    quote: str
    date: dt.date
    rate: str = Field(examples=["1.0842"])
    source: str

    @classmethod
    def of(cls, row: FxRate) -> Self:
        return cls(
            base=row.base_currency,
            quote=row.quote_currency,
            date=row.date,
            rate=_plain(row.rate),
            source=row.source,
        )


class FxRateListParams(PageParams):
    base: CurrencyCode | None = None
    quote: CurrencyCode | None = None
    from_date: PlainDate | None = Field(None, description="The first day.")
    to_date: PlainDate | None = Field(None, description="The last day.")


class ConversionParams(Input):
    amount: PositiveAmount
    from_: CurrencyCode = Field(alias="from")
    to: CurrencyCode
    date: PlainDate | None = Field(None, description="By default today.")


class ConversionOut(Output):
    """`converted` is null, and so is all that follows it, when there is no rate for that day."""

    amount: Decimal
    currency: str
    date: dt.date
    converted: Decimal | None
    converted_currency: str
    rate: str | None
    rated_on: dt.date | None = Field(description="The day of the rate: the latest within 7 days.")
    rule: str | None = Field(
        description="`same` currency, `direct`, `inverse`, or `cross`: both from a third one.",
        examples=["direct"],
    )
    via: str | None = Field(description="The third currency.")

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @field_serializer("converted")
    def _converted(self, value: Decimal | None) -> str | None:
        return None if value is None else format_amount(value, self.converted_currency)

    @classmethod
    def of(cls, params: ConversionParams, on: dt.date, found: Conversion) -> Self:
        return cls(
            amount=params.amount,
            currency=params.from_,
            date=on,
            converted=found.converted,
            converted_currency=params.to,
            rate=None if found.rate is None else _plain(found.rate),
            rated_on=found.rated_on,
            rule=found.rule,
            via=found.via,
        )


class RatesImportParams(BaseModel):  # the route refuses unknown ones, and knows its own
    source: ShortText = Field("ECB", description="Who published them.")


class RatesImported(Output):
    created: int
    updated: int = Field(description="Replaced, since they were there with another value.")
    unchanged: int
    ignored_currencies: list[str] = Field(
        description="Columns of currencies that are not used any more."
    )

    @classmethod
    def of(cls, found: Imported, ignored: list[str]) -> Self:
        return cls(
            created=found.created,
            updated=found.updated,
            unchanged=found.unchanged,
            ignored_currencies=ignored,
        )


def _plain(rate: Decimal) -> str:
    return format(rate.normalize(), "f")
