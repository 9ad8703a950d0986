from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.budget_parts import Money, Percent, rounded
from api.schemas.common import (
    EXAMPLE_ID,
    Description,
    Input,
    Instant,
    LongText,
    Name,
    NonNegativeAmount,
    Output,
    Patch,
    PlainDate,
    PositiveAmount,
    SearchText,
    ShortText,
    Versioned,
    absent,
    example,
)
from backend.budgets.commitments import GoalProgress, GoalType
from backend.budgets.goal_measures import Pace
from backend.budgets.goals import MeasuredGoal
from backend.money import format_amount, rounded_to

Unit = Annotated[ShortText, Field(max_length=50)]

Count = Annotated[str, Field(description="A plain decimal number.", examples=["120"])]


class GoalOfBudget(Input):
    model_config = example(
        name="Leads",
        type="leads",
        target="300",
        unit="leads",
        unit_value="8.00",
        deadline="2025-12-31",
    )

    name: Name
    description: LongText | None = None
    type: GoalType
    target: PositiveAmount
    unit: Unit = "units"
    unit_value: NonNegativeAmount | None = Field(
        None,
        description="What one unit is worth in the budget's currency; for revenue it is 1 unless "
        "given. Without it there is no ROI.",
    )
    starts_on: PlainDate | None = Field(None, description="By default the budget's first day.")
    deadline: PlainDate


class GoalCreate(GoalOfBudget):
    model_config = example(
        budget_id=EXAMPLE_ID,
        name="Leads",
        type="leads",
        target="300",
        unit="leads",
        unit_value="8.00",
        deadline="2025-12-31",
    )

    budget_id: UUID


class GoalReplace(GoalOfBudget):
    """The whole goal anew; it stays with its budget, and what was counted stays."""

    model_config = example(
        name="Leads",
        type="leads",
        target="300",
        unit="leads",
        starts_on="2025-01-01",
        deadline="2025-12-31",
    )

    starts_on: PlainDate


class GoalPatch(Patch):
    name: Name = Field(default_factory=absent)
    description: LongText | None = None
    type: GoalType = Field(default_factory=absent)
    target: PositiveAmount = Field(default_factory=absent)
    unit: Unit = Field(default_factory=absent)
    unit_value: NonNegativeAmount | None = None
    starts_on: PlainDate = Field(default_factory=absent)
    deadline: PlainDate = Field(default_factory=absent)


class SourceCount(Output):
    source: str
    value: Count


class GoalOut(Versioned):
    """Figures are as of the day `on`; those that divide by nothing are null."""

    id: UUID
    budget_id: UUID
    name: str
    description: str | None
    type: GoalType
    target: Count
    current: Count = Field(description="The sum of what every source counted last.")
    unit: str
    unit_value: Money | None
    currency: str
    starts_on: date
    deadline: date
    sources: list[SourceCount]
    on: date
    progress_percent: Percent
    time_elapsed_percent: Percent
    pace: Pace
    projected: Count | None = Field(description="The count at the deadline, at this pace.")
    value: Money | None
    roi_percent: Percent | None
    cpa: Money | None = Field(description="What one unit cost so far.")
    feasibility: int | None = Field(
        ge=0, le=100, description="The share of the target that time and money allow."
    )
    feasibility_reason: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, found: MeasuredGoal, on: date) -> Self:
        goal, measures, currency = found.goal, found.measures, found.budget.currency
        same = ("id", "budget_id", "name", "description", "type", "unit", "starts_on", "deadline")
        values: dict[str, Any] = {
            name: getattr(goal, name) for name in (*same, "created_at", "updated_at", "version")
        }
        return cls(
            **values,
            target=_count(goal.target),
            current=_count(found.current),
            unit_value=_money(goal.unit_value, currency),
            currency=currency,
            sources=[
                SourceCount(source=source, value=_count(value))
                for source, value in sorted(found.sources.items())
            ],
            on=on,
            progress_percent=measures.progress,
            time_elapsed_percent=measures.time_elapsed,
            pace=measures.pace,
            projected=None
            if measures.projected is None
            else _count(rounded_to(measures.projected, 2)),
            value=_money(measures.value, currency),
            roi_percent=measures.roi,
            cpa=_money(measures.cpa, currency),
            feasibility=measures.feasibility,
            feasibility_reason=measures.feasibility_reason,
        )


class GoalListParams(PageParams):
    type: GoalType | None = None
    q: SearchText | None = Field(None, description="Part of the name.")
    on: PlainDate | None = Field(None, description="As of the end of this day; by default today.")


class AllGoalsParams(GoalListParams):
    budget_id: UUID | None = None


class ProgressCreate(Input):
    model_config = example(value="120", source="crm")

    value: NonNegativeAmount = Field(description="What this source has counted so far, in total.")
    source: ShortText = Field(description="Who counted it; sources add up.", examples=["crm"])
    observed_at: Instant | None = Field(
        None, description="When it was counted; by default now. Sent again, it replaces."
    )
    note: Description | None = None


class ProgressOut(Output):
    source: str
    value: Count
    observed_at: datetime
    note: str | None
    recorded_by: UUID | None
    recorded_at: datetime

    @classmethod
    def of(cls, row: GoalProgress) -> Self:
        values = {name: getattr(row, name) for name in cls.model_fields if name != "value"}
        return cls(value=_count(row.value), **values)


def _projected(value: Decimal | None) -> str | None:
    return None if value is None else _count(rounded_to(value, 2))


def _count(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _money(value: Decimal | None, currency: str) -> str | None:
    if value is None:
        return None
    exact = value == rounded_to(value, 4)
    return format_amount(value, currency) if exact else rounded(value, currency)
