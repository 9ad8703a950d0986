"""Moving money between budgets, giving it to children, and setting it aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.budget_parts import Money
from api.schemas.common import (
    EXAMPLE_ID,
    CurrencyCode,
    Description,
    Input,
    Instant,
    Name,
    NonNegativeAmount,
    Output,
    PlainDate,
    PositiveAmount,
    example,
)
from backend.budgets.allocation import Method, Share
from backend.budgets.commitments import Reservation, ReservationState
from backend.budgets.models import Budget, BudgetLevel, BudgetTransfer, BudgetType
from backend.budgets.reservations import is_expired
from backend.budgets.rules import Period
from backend.budgets.templates import Part, Template
from backend.budgets.transfers import Moved
from backend.money import format_amount


class TransferCreate(Input):
    model_config = example(to_budget_id=EXAMPLE_ID, amount="250.00", note="For the fair")

    to_budget_id: UUID
    amount: PositiveAmount
    on: PlainDate | None = Field(
        None, description="The day whose periods the money moves in; by default today."
    )
    note: Description | None = None


class MovedOut(Output):
    budget_id: UUID
    name: str
    period_starts_on: date
    before: Money
    after: Money
    currency: str


class TransferOut(Output):
    """An end that you may not see is null."""

    id: UUID
    from_budget_id: UUID | None
    to_budget_id: UUID | None
    amount: Money
    currency: str
    on: date
    note: str | None
    created_by: UUID | None
    created_at: datetime

    @classmethod
    def of(cls, row: BudgetTransfer, visible: frozenset[UUID]) -> Self:
        return cls(
            id=row.id,
            from_budget_id=row.from_budget_id if row.from_budget_id in visible else None,
            to_budget_id=row.to_budget_id if row.to_budget_id in visible else None,
            amount=format_amount(row.amount, row.currency),
            currency=row.currency,
            on=row.transferred_on,
            note=row.note,
            created_by=row.created_by,
            created_at=row.created_at,
        )


class TransferMade(TransferOut):
    changed: list[MovedOut] = Field(
        description="Every budget whose amount changed; those above both ends are not among them."
    )

    @classmethod
    def made(cls, row: BudgetTransfer, moved: Sequence[Moved]) -> Self:
        both = frozenset({row.from_budget_id, row.to_budget_id})
        changed = [
            MovedOut(
                budget_id=m.budget.id,
                name=m.budget.name,
                period_starts_on=m.starts_on,
                before=format_amount(m.before, m.budget.currency),
                after=format_amount(m.after, m.budget.currency),
                currency=m.budget.currency,
            )
            for m in moved
        ]
        return cls(**TransferOut.of(row, both).model_dump(), changed=changed)


class Weight(Input):
    budget_id: UUID
    weight: NonNegativeAmount


class AllocationCreate(Input):
    model_config = example(method="evenly")

    method: Method
    amount: NonNegativeAmount | None = Field(
        None, description="By default what is planned for the period."
    )
    on: PlainDate | None = Field(None, description="A day of the period; by default today.")
    weights: Annotated[list[Weight], Field(max_length=500)] = Field(
        default_factory=list, description="For `by_weight`; a child left out gets nothing."
    )
    history_from: PlainDate | None = Field(
        None, description="For `by_history`; by default a year before `history_to`."
    )
    history_to: PlainDate | None = Field(None, description="By default today.")


class ShareOut(Output):
    budget_id: UUID
    name: str
    weight: Money
    amount: Money = Field(description="For all of its periods within the parent's.")
    currency: str


class AllocationOut(Output):
    budget_id: UUID
    period_starts_on: date
    period_ends_on: date
    shares: list[ShareOut]

    @classmethod
    def of(cls, budget: Budget, period: Period, shares: Sequence[Share]) -> Self:
        rendered = [
            ShareOut(
                budget_id=s.budget.id,
                name=s.budget.name,
                weight=format_amount(s.weight, budget.currency),
                amount=format_amount(s.amount, budget.currency),
                currency=budget.currency,
            )
            for s in shares
        ]
        return cls(
            budget_id=budget.id,
            period_starts_on=period.starts_on,
            period_ends_on=period.ends_on,
            shares=rendered,
        )


class ReservationCreate(Input):
    model_config = example(
        amount="400.00", expected_on="2025-04-20", description="Stand at the fair"
    )

    amount: PositiveAmount = Field(description="In the budget's currency.")
    expected_on: PlainDate | None = Field(
        None, description="When it will be spent, and so in which period; by default today."
    )
    expires_at: Instant | None = Field(
        None, description="When the money is free again, unless it was committed."
    )
    description: Description | None = None


class ReservationCommit(Input):
    model_config = example(transaction_id=EXAMPLE_ID)

    transaction_id: UUID | None = Field(
        None, description="The expense that it became: what was committed is spent from then on."
    )


class ReservationOut(Output):
    id: UUID
    budget_id: UUID
    amount: Money
    currency: str
    expected_on: date
    expires_at: datetime | None
    state: Literal["reserved", "expired", "committed", "settled", "released"]
    transaction_id: UUID | None = Field(description="Null also for one that you may not see.")
    description: str | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Reservation, transactions: frozenset[UUID], *, settled: bool) -> Self:
        names = cls.model_fields.keys() - {"amount", "state", "transaction_id"}
        values = {name: getattr(row, name) for name in names}
        shown = row.transaction_id if row.transaction_id in transactions else None
        amount = format_amount(row.amount, row.currency)
        return cls(
            amount=amount, state=_state(row, settled=settled), transaction_id=shown, **values
        )


def _state(
    row: Reservation, *, settled: bool
) -> Literal["reserved", "expired", "committed", "settled", "released"]:
    if settled:
        return "settled"
    if row.state == ReservationState.RELEASED:
        return "released"
    if row.state == ReservationState.COMMITTED:
        return "committed"
    return "expired" if is_expired(row, datetime.now(UTC)) else "reserved"


class ReservationListParams(PageParams):
    open: bool = Field(default=False, description="Only those that are counted as committed.")


class TemplatePart(Output):
    name: str
    level: BudgetLevel
    weight: int = Field(description="Its share among the parts of the same budget.")
    parts: list[TemplatePart]

    @classmethod
    def of(cls, part: Part) -> Self:
        return cls(
            name=part.name,
            level=part.level,
            weight=part.weight,
            parts=[TemplatePart.of(below) for below in part.parts],
        )


class TemplateOut(Output):
    id: str
    name: str
    description: str
    level: BudgetLevel
    type: BudgetType
    parts: list[TemplatePart]

    @classmethod
    def of(cls, template: Template) -> Self:
        return cls(
            id=template.id,
            name=template.name,
            description=template.description,
            level=template.level,
            type=template.type,
            parts=[TemplatePart.of(part) for part in template.parts],
        )


class Templates(Output):
    items: list[TemplateOut]
    next_cursor: None = None


class TemplateUse(Input):
    model_config = example(
        amount="3000.00", currency="EUR", starts_on="2025-01-01", ends_on="2025-12-31"
    )

    name: Name | None = Field(None, description="By default the template's.")
    amount: PositiveAmount = Field(description="For one period of the whole.")
    currency: CurrencyCode
    starts_on: PlainDate
    ends_on: PlainDate
    parent_id: UUID | None = None
    owner_id: UUID | None = Field(None, description="A member; by default the caller.")
