from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, field_serializer

from api.paging import PageParams
from api.schemas.budget_parts import (
    BudgetRuleInput,
    BudgetRuleOut,
    CurrentPeriod,
    Hours,
    HoursInput,
    Money,
    Percent,
    PercentInput,
    Threshold,
)
from api.schemas.common import (
    CurrencyCode,
    Flag,
    Input,
    LongText,
    Name,
    NonNegativeAmount,
    Output,
    Patch,
    PlainDate,
    SearchText,
    Versioned,
    absent,
    example,
)
from backend.budgets.models import (
    BudgetLevel,
    BudgetPeriod,
    BudgetRule,
    BudgetType,
    RolloverPolicy,
)
from backend.budgets.rules import BudgetStatus, Condition
from backend.budgets.standing import Standing
from backend.money import format_amount

Thresholds = Annotated[
    list[Threshold],
    AfterValidator(lambda values: sorted(set(values))),
    Field(max_length=20, description="Where to be told of spending, in percent."),
]
Rules = Annotated[list[BudgetRuleInput], Field(max_length=100)]


class BudgetCreate(Input):
    model_config = example(
        name="Marketing 2025",
        level="department",
        type="annual",
        amount="12000.00",
        currency="EUR",
        starts_on="2025-01-01",
        ends_on="2025-12-31",
    )

    parent_id: UUID | None = None
    owner_id: UUID | None = Field(None, description="A member; by default the caller.")
    name: Name
    description: LongText | None = None
    category_id: UUID | None = Field(
        None, description="What it is for. What counts in it, `rules` say."
    )
    level: BudgetLevel
    type: BudgetType
    amount: NonNegativeAmount = Field(description="For one period.")
    currency: CurrencyCode
    starts_on: PlainDate
    ends_on: PlainDate
    allocated_hours: HoursInput | None = None
    warning_threshold: Threshold = 75
    critical_threshold: Threshold = 90
    thresholds: Thresholds = Field(default_factory=lambda: [50, 75, 90, 100])
    target_roi: PercentInput | None = None
    target_cpa: NonNegativeAmount | None = None
    ai_optimization: Flag = False
    rollover_policy: RolloverPolicy = RolloverPolicy.NONE
    rollover_cap: NonNegativeAmount | None = Field(
        None, description="How much `capped` carries over at most, of either kind."
    )
    allows_over_allocation: Flag = Field(
        default=False, description="Whether its children may come to more than it has."
    )
    rules: Rules = Field(default_factory=list)


class BudgetReplace(BudgetCreate):
    """The whole budget anew; what is left out gets its default, but the owner stays."""

    owner_id: UUID | None = Field(None, description="A member; by default who it is now.")
    archived: Flag = False


class BudgetPatch(Patch):
    """The currency stays as it is: what was spent is measured in it."""

    parent_id: UUID | None = None
    owner_id: UUID = Field(default_factory=absent)
    name: Name = Field(default_factory=absent)
    description: LongText | None = None
    category_id: UUID | None = None
    level: BudgetLevel = Field(default_factory=absent)
    type: BudgetType = Field(default_factory=absent)
    amount: NonNegativeAmount = Field(
        default_factory=absent, description="Holds for every period that is not over."
    )
    starts_on: PlainDate = Field(default_factory=absent)
    ends_on: PlainDate = Field(default_factory=absent)
    allocated_hours: HoursInput | None = None
    warning_threshold: Threshold = Field(default_factory=absent)
    critical_threshold: Threshold = Field(default_factory=absent)
    thresholds: Thresholds = Field(default_factory=absent)
    target_roi: PercentInput | None = None
    target_cpa: NonNegativeAmount | None = None
    ai_optimization: Flag = Field(default_factory=absent)
    rollover_policy: RolloverPolicy = Field(default_factory=absent)
    rollover_cap: NonNegativeAmount | None = None
    allows_over_allocation: Flag = Field(default_factory=absent)
    rules: Rules = Field(default_factory=absent, description="Replace those that were there.")
    archived: Flag = Field(default_factory=absent)


class BudgetOut(Versioned):
    id: UUID
    parent_id: UUID | None = Field(description="Null also for a parent the caller may not see.")
    owner_id: UUID
    name: str
    description: str | None
    category_id: UUID | None
    level: BudgetLevel
    type: BudgetType
    amount: Decimal = Field(description="For one period.")
    currency: str
    starts_on: date
    ends_on: date
    allocated_hours: Hours | None
    warning_threshold: int
    critical_threshold: int
    thresholds: list[int]
    target_roi: Percent | None
    target_cpa: Decimal | None
    ai_optimization: bool
    rollover_policy: RolloverPolicy
    rollover_cap: Decimal | None
    allows_over_allocation: bool
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
    status: BudgetStatus
    condition: Condition
    current: CurrentPeriod

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @field_serializer("target_cpa", "rollover_cap")
    def _optional_amount(self, value: Decimal | None) -> str | None:
        return None if value is None else format_amount(value, self.currency)

    @classmethod
    def of(cls, standing: Standing, parents: Collection[UUID]) -> Self:
        """The budget as the caller may see it; `parents` are the visible ones."""
        return cls.model_validate(_columns(standing, parents))


class PeriodOut(Output):
    starts_on: date
    ends_on: date
    amount: Money = Field(description="What may be spent: the planned amount and what was carried.")
    carried: Money
    currency: str


class BudgetDetail(BudgetOut):
    periods: list[PeriodOut]
    rules: list[BudgetRuleOut]

    @classmethod
    def whole(
        cls,
        standing: Standing,
        parents: Collection[UUID],
        periods: Sequence[BudgetPeriod],
        rules: Sequence[BudgetRule],
        accounts: frozenset[UUID],
    ) -> Self:
        """`accounts` are those of the rules that the caller may see."""
        currency = standing.budget.currency
        rendered = [
            PeriodOut(
                starts_on=period.starts_on,
                ends_on=period.ends_on,
                amount=format_amount(period.amount, currency),
                carried=format_amount(period.carried, currency),
                currency=currency,
            )
            for period in periods
        ]
        shown = [BudgetRuleOut.of(rule, accounts) for rule in rules]
        return cls.model_validate(
            _columns(standing, parents) | {"periods": rendered, "rules": shown}
        )


_DERIVED = ("status", "condition", "current")


def _columns(standing: Standing, parents: Collection[UUID]) -> dict[str, Any]:
    row = standing.budget
    values = {n: getattr(row, n) for n in BudgetOut.model_fields if n not in _DERIVED}
    if row.parent_id not in parents:
        values["parent_id"] = None
    return values | {
        "status": standing.status,
        "condition": standing.condition,
        "current": CurrentPeriod.of(standing),
    }


class BudgetListParams(PageParams):
    parent_id: UUID | None = Field(None, description="Only the children of this budget.")
    owner_id: UUID | None = None
    category_id: UUID | None = None
    level: BudgetLevel | None = None
    type: BudgetType | None = None
    currency: CurrencyCode | None = None
    status: BudgetStatus | None = None
    condition: Condition | None = None
    runs_on: PlainDate | None = Field(None, description="Only those whose days hold this one.")
    archived: bool | None = Field(None, description="Only archived ones, or only the others.")
    q: SearchText | None = Field(None, description="Part of the name.")


class OnDay(Input):
    """The query of a figure."""

    on: PlainDate | None = Field(None, description="As of the end of this day; by default today.")
