from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, field_serializer

from api.paging import PageParams
from api.schemas.common import (
    CurrencyCode,
    Input,
    LongText,
    Name,
    NonNegativeAmount,
    Output,
    Patch,
    PlainDate,
    SearchText,
    absent,
)
from backend.budgets.models import Budget, BudgetLevel, BudgetPeriod, BudgetType
from backend.money import format_amount

Threshold = Annotated[int, Field(ge=1, le=1000, description="Percent of the amount.")]


class BudgetCreate(Input):
    parent_id: UUID | None = None
    owner_id: UUID | None = Field(None, description="A member; by default the caller.")
    name: Name
    description: LongText | None = None
    level: BudgetLevel
    type: BudgetType
    amount: NonNegativeAmount = Field(description="For one period.")
    currency: CurrencyCode
    starts_on: PlainDate
    ends_on: PlainDate
    warning_threshold: Threshold = 75
    critical_threshold: Threshold = 90


class BudgetPatch(Patch):
    """The currency stays as it is: what was spent is measured in it."""

    parent_id: UUID | None = None
    owner_id: UUID = Field(default_factory=absent)
    name: Name = Field(default_factory=absent)
    description: LongText | None = None
    level: BudgetLevel = Field(default_factory=absent)
    type: BudgetType = Field(default_factory=absent)
    amount: NonNegativeAmount = Field(default_factory=absent)
    starts_on: PlainDate = Field(default_factory=absent)
    ends_on: PlainDate = Field(default_factory=absent)
    warning_threshold: Threshold = Field(default_factory=absent)
    critical_threshold: Threshold = Field(default_factory=absent)
    archived: bool = Field(default_factory=absent)


class BudgetOut(Output):
    id: UUID
    parent_id: UUID | None = Field(description="Null also for a parent the caller may not see.")
    owner_id: UUID
    name: str
    description: str | None
    level: BudgetLevel
    type: BudgetType
    amount: Decimal = Field(description="For one period.")
    currency: str
    starts_on: date
    ends_on: date
    warning_threshold: int
    critical_threshold: int
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of(cls, row: Budget, parents: Collection[UUID]) -> Self:
        """The row as the caller may see it; `parents` are the visible ones."""
        return cls.model_validate(_columns(row, parents))


class PeriodOut(Output):
    starts_on: date
    ends_on: date
    amount: Decimal
    currency: str

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)


class BudgetDetail(BudgetOut):
    periods: list[PeriodOut]

    @classmethod
    def with_periods(
        cls, row: Budget, parents: Collection[UUID], periods: Sequence[BudgetPeriod]
    ) -> Self:
        currency = {"currency": row.currency}
        columns = ("starts_on", "ends_on", "amount")
        rendered = [{c: getattr(period, c) for c in columns} | currency for period in periods]
        return cls.model_validate(_columns(row, parents) | {"periods": rendered})


def _columns(row: Budget, parents: Collection[UUID]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in BudgetOut.model_fields}
    if row.parent_id not in parents:
        values["parent_id"] = None
    return values


class BudgetListParams(PageParams):
    parent_id: UUID | None = Field(None, description="Only the children of this budget.")
    owner_id: UUID | None = None
    level: BudgetLevel | None = None
    type: BudgetType | None = None
    archived: bool | None = Field(None, description="Only archived ones, or only the others.")
    q: SearchText | None = Field(None, description="Part of the name.")
