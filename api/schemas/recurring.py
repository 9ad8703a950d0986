from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, field_serializer

from api.paging import PageParams
from api.schemas.common import (
    EXAMPLE_ID,
    CurrencyCode,
    Description,
    Input,
    Name,
    Output,
    Patch,
    PlainDate,
    PositiveAmount,
    Versioned,
    absent,
    example,
)
from api.schemas.transactions import TagIds
from backend.ledger.detected import Detected
from backend.ledger.models import PaymentMethod
from backend.ledger.recurring_models import (
    Frequency,
    RecurringExpense,
    RecurringKind,
    RecurringStatus,
)
from backend.money import format_amount

BookedAs = Literal["paid", "pending"]

Rule = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Z0-9=;,+-]+$"),
    Field(
        description="RFC 5545, in whole days: FREQ, INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, "
        "BYDAY, BYSETPOS, WKST. For the frequency `rrule`, and only for it.",
        examples=["FREQ=MONTHLY;BYDAY=-1FR"],
    ),
]
_STARTS = Field(
    description="The schedule counts from this day. A day that a month lacks is its last one."
)
_NEXT = "What is due from this day on is booked too; by default nothing from before today."


class RecurringCreate(Input):
    model_config = example(
        account_id=EXAMPLE_ID,
        amount="9.99",
        description="Music",
        frequency="monthly",
        starts_on="2025-04-01",
    )

    account_id: UUID
    kind: RecurringKind = RecurringKind.EXPENSE
    amount: PositiveAmount
    currency: CurrencyCode | None = Field(None, description="By default the account's.")
    description: Description
    vendor: Name | None = None
    category_id: UUID | None = None
    budget_id: UUID | None = None
    tag_ids: TagIds = Field(default_factory=list)
    payment_method: PaymentMethod | None = None
    status_when_booked: BookedAs = "paid"
    frequency: Frequency
    rrule: Rule | None = None
    starts_on: Annotated[PlainDate, _STARTS]
    ends_on: PlainDate | None = Field(None, description="The last day on which it may be booked.")
    next_date: PlainDate | None = Field(None, description=_NEXT)


class RecurringPatch(Patch):
    """A changed schedule goes on from today, or from an overdue `next_date`."""

    account_id: UUID = Field(default_factory=absent)
    kind: RecurringKind = Field(default_factory=absent)
    amount: PositiveAmount = Field(default_factory=absent)
    currency: CurrencyCode = Field(default_factory=absent)
    description: Description = Field(default_factory=absent)
    vendor: Name | None = None
    category_id: UUID | None = None
    budget_id: UUID | None = None
    tag_ids: TagIds = Field(default_factory=absent)
    payment_method: PaymentMethod | None = None
    status_when_booked: BookedAs = Field(default_factory=absent)
    frequency: Frequency = Field(default_factory=absent)
    rrule: Rule | None = None
    starts_on: PlainDate = Field(default_factory=absent)
    ends_on: PlainDate | None = None
    next_date: PlainDate = Field(
        default_factory=absent, description="It goes on with its first date from this day on."
    )


class RecurringResume(Input):
    from_date: PlainDate | None = Field(
        None, description="Also book what was missed from this day on; by default from today."
    )


class RecurringOut(Versioned):
    id: UUID
    account_id: UUID
    kind: RecurringKind
    amount: Decimal
    currency: str
    description: str
    vendor: str | None
    category_id: UUID | None
    budget_id: UUID | None
    tag_ids: list[UUID]
    payment_method: PaymentMethod | None
    status_when_booked: BookedAs
    frequency: Frequency
    rrule: str | None
    starts_on: date
    ends_on: date | None
    next_date: date | None = Field(description="Null when it has ended.")
    status: RecurringStatus
    paused_reason: str | None = Field(description="Why it was paused, unless somebody did it.")
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of(cls, row: RecurringExpense, tags: Sequence[UUID], budgets: Collection[UUID]) -> Self:
        """As the caller may see it: a budget that is not theirs is null."""
        values: dict[str, Any] = {
            name: getattr(row, name) for name in cls.model_fields if name != "tag_ids"
        }
        if row.budget_id not in budgets:
            values["budget_id"] = None
        return cls(**values, tag_ids=list(tags))


class RecurringListParams(PageParams):
    account_id: UUID | None = None
    status: RecurringStatus | None = None
    due_before: PlainDate | None = Field(
        None, description="Active ones whose next date lies before this day."
    )


class OccurrenceParams(Input):
    limit: int = Field(12, ge=1, le=100)


class Occurrences(Output):
    """The dates to come, the next one first."""

    dates: list[date]


class DetectedParams(Input):
    on: PlainDate | None = Field(None, description="As of this day; by default today.")


class DetectedOut(Output):
    """Payments that come again and again. `confidence` is in percent, for the `reasons` given."""

    account_id: UUID
    vendor: str
    frequency: Frequency
    amount: Decimal = Field(description="The typical one.")
    currency: str
    occurrences: int
    first_date: date
    last_date: date
    next_expected_date: date
    confidence: int = Field(ge=0, le=100)
    reasons: list[str]
    recurring_id: UUID | None = Field(description="The recurring expense that there is already.")

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of(cls, found: Detected) -> Self:
        subscription = found.subscription
        return cls(
            account_id=found.account_id,
            vendor=found.vendor,
            frequency=subscription.frequency,
            amount=subscription.amount,
            currency=found.currency,
            occurrences=len(subscription.payments),
            first_date=subscription.payments[0].date,
            last_date=subscription.payments[-1].date,
            next_expected_date=subscription.next_expected,
            confidence=subscription.confidence,
            reasons=list(subscription.reasons),
            recurring_id=found.recurring_id,
        )
