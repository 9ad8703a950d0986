"""Parts of what budgets say of themselves, shared by their answers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import UNQUOTED, Input, Name, NonNegativeAmount, Output, amount_schema
from backend.budgets.models import BudgetRule
from backend.budgets.standing import Standing
from backend.money import format_amount, round_amount, rounded_to

Threshold = Annotated[int, Field(ge=1, le=1000, description="Percent of the amount."), UNQUOTED]

# An amount as it is written: digits of the currency's minor unit, more only where they are needed.
Money = Annotated[str, Field(examples=["1250.00"])]

Percent = Annotated[
    Decimal,
    PlainSerializer(lambda value: float(rounded_to(value, 2)), return_type=float),
    Field(examples=[62.5]),
]
PercentInput = Annotated[
    NonNegativeAmount, Field(lt=10**6, description="In percent."), amount_schema(digits=6)
]

Hours = Annotated[Decimal, PlainSerializer(float, return_type=float), Field(examples=[120.5])]
HoursInput = Annotated[
    NonNegativeAmount, Field(lt=10**8, decimal_places=2), amount_schema(digits=8, places=2)
]


def rounded(amount: Decimal, currency: str) -> str:
    """For figures that divide: to the minor unit."""
    return format_amount(round_amount(amount, currency), currency)


class BudgetRuleInput(Input):
    """Expenses that meet every condition count in the budget without naming it.

    The budget that an expense names wins in its tree; else the rule with more conditions does, then
    the one whose category is nearer, then the older one.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("category_id", "tag_id", "account_id", "service", "region")
            ]
        }
    )

    category_id: UUID | None = Field(None, description="This category or any below it.")
    tag_id: UUID | None = None
    account_id: UUID | None = Field(
        None, description="Needed, unless you write for the whole organization."
    )
    service: Name | None = Field(None, description="Of cloud costs.")
    region: Name | None = Field(None, description="Of cloud costs.")

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if all(value is None for _, value in self):
            raise PydanticCustomError("no_condition", "Name at least one condition.")
        return self


class BudgetRuleOut(Output):
    id: UUID
    category_id: UUID | None
    tag_id: UUID | None
    account_id: UUID | None = Field(description="Null also for an account you may not see.")
    service: str | None
    region: str | None

    @classmethod
    def of(cls, row: BudgetRule, accounts: frozenset[UUID]) -> Self:
        shown = cls.model_validate(row)
        if shown.account_id not in accounts:
            shown.account_id = None
        return shown


class CurrentPeriod(Output):
    """The period of the day: the first one before the budget begins, the last one after its end."""

    starts_on: date
    ends_on: date
    allocated: Money
    carried: Money = Field(description="The part of it from the periods before; may be negative.")
    spent: Money
    committed: Money
    remaining: Money
    currency: str
    utilisation_percent: Percent | None
    unconverted: int = Field(description="Lines missing from the amounts, for want of a rate.")

    @classmethod
    def of(cls, standing: Standing) -> Self:
        currency = standing.budget.currency
        figures, allocation = standing.performance, standing.allocation
        return cls(
            starts_on=allocation.period.starts_on,
            ends_on=allocation.period.ends_on,
            allocated=format_amount(figures.allocated, currency),
            carried=format_amount(allocation.carried, currency),
            spent=format_amount(figures.spent, currency),
            committed=format_amount(figures.committed, currency),
            remaining=format_amount(figures.remaining, currency),
            currency=currency,
            utilisation_percent=figures.utilisation,
            unconverted=standing.spending.unconverted,
        )
