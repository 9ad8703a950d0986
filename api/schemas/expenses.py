"""Expenses: transactions whose kind is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import CurrencyCode, DayRange, Name, Output, absent
from api.schemas.transactions import BookingListParams, TransactionCreate, TransactionPatch
from backend.ledger.models import PaymentMethod, TransactionKind
from backend.ledger.spending import Amounts, Spending, Spent
from backend.ledger.spent_lines import Filters
from backend.money import format_amount
from backend.periods import Grain, Period, previous_period

EXPENSE: Literal[TransactionKind.EXPENSE] = TransactionKind.EXPENSE


class ExpenseCreate(TransactionCreate):
    kind: Literal[TransactionKind.EXPENSE] = EXPENSE
    counter_account_id: None = None


class ExpensePatch(TransactionPatch):
    kind: Literal[TransactionKind.EXPENSE] = Field(default_factory=absent)
    counter_account_id: None = None


class ExpenseListParams(BookingListParams):
    pass


class AnalyticsParams(DayRange):
    """A missing day is that of the other's month, and without both it is the current month."""

    model_config = ConfigDict(extra="forbid")

    account_id: UUID | None = None
    category_id: UUID | None = None
    include_subcategories: bool = False
    tag_id: UUID | None = None
    vendor: Name | None = Field(None, description="The whole name, in any case.")
    payment_method: PaymentMethod | None = None
    status: Literal["pending", "paid"] | None = None
    currency: CurrencyCode | None = None
    top: int = Field(10, ge=1, le=100, description="So many vendors; the others are added up.")

    def days(self, today: date) -> Period:
        first = self.from_date or Grain.MONTH.first_day(self.to_date or today)
        return Period(first, self.to_date or Grain.MONTH.period(first).last)

    def filters(self) -> Filters:
        days = DayRange.model_fields.keys() | {"top"}
        names = [name for name in type(self).model_fields if name not in days]
        return Filters(**{name: getattr(self, name) for name in names})


class DaysOut(Output):
    from_date: date = Field(validation_alias="first")
    to_date: date = Field(validation_alias="last")


class AmountsOut(BaseModel):
    currency: str
    spent: str = Field(examples=["12.50"])
    previous: str = Field(description="Of the period before.", examples=["10.00"])

    @classmethod
    def of(cls, amounts: Amounts, currency: str) -> Self:
        return cls(
            currency=currency,
            spent=format_amount(amounts.spent, currency),
            previous=format_amount(amounts.previous, currency),
        )


class SpentOut(BaseModel):
    base: AmountsOut = Field(description="In the organization's own currency.")
    amounts: list[AmountsOut] = Field(description="As it was booked: currencies are never added.")
    lines: int
    previous_lines: int
    unconverted: int = Field(description="Lines without a rate on their day: not in `base`.")
    previous_unconverted: int

    @classmethod
    def of(cls, spent: Spent, base_currency: str, **key: Any) -> Self:  # noqa: ANN401  # what the bucket is of
        return cls(
            base=AmountsOut.of(spent.base, base_currency),
            amounts=[AmountsOut.of(a, c) for c, a in sorted(spent.by_currency.items())],
            lines=spent.lines,
            previous_lines=spent.previous_lines,
            unconverted=spent.unconverted,
            previous_unconverted=spent.previous_unconverted,
            **key,
        )


class CategorySpent(SpentOut):
    category_id: UUID | None = Field(description="Null for what has none.")
    name: str | None


class TagSpent(SpentOut):
    tag_id: UUID | None = Field(description="Null for what has none.")
    name: str | None


class VendorSpent(SpentOut):
    vendor: str | None = Field(description="Null for what has none.")


class OtherVendorsSpent(SpentOut):
    vendors: int


class PaymentMethodSpent(SpentOut):
    payment_method: PaymentMethod | None


class MonthSpent(SpentOut):
    month: date = Field(description="Its first day.")


class ExpenseAnalytics(BaseModel):
    period: DaysOut
    previous_period: DaysOut = Field(
        description="As long, and just before: as many whole months where the period is such."
    )
    total: SpentOut
    by_category: list[CategorySpent]
    by_vendor: list[VendorSpent]
    other_vendors: OtherVendorsSpent
    by_tag: list[TagSpent] = Field(
        description="They do not add up to the total: a line with two tags is in both."
    )
    by_payment_method: list[PaymentMethodSpent]
    by_month: list[MonthSpent] = Field(
        description="`previous` is what falls into the month when moved on by the period's length."
    )


def analytics(
    found: Spending,
    days: Period,
    base_currency: str,
    *,
    categories: Mapping[UUID | None, str],
    tags: Mapping[UUID | None, str],
    top: int,
) -> ExpenseAnalytics:
    """`categories` and `tags` are the names of those in `found`; `top` vendors are named."""
    own = base_currency
    vendors = list(found.by_vendor.items())
    others = Spent()
    for _, spent in vendors[top:]:
        others += spent
    return ExpenseAnalytics(
        period=DaysOut.model_validate(days),
        previous_period=DaysOut.model_validate(previous_period(days).period),
        total=SpentOut.of(found.total, own),
        by_category=[
            CategorySpent.of(spent, own, category_id=key, name=categories.get(key))
            for key, spent in found.by_category.items()
        ],
        by_vendor=[VendorSpent.of(spent, own, vendor=key) for key, spent in vendors[:top]],
        other_vendors=OtherVendorsSpent.of(others, own, vendors=len(vendors[top:])),
        by_tag=[
            TagSpent.of(spent, own, tag_id=key, name=tags.get(key))
            for key, spent in found.by_tag.items()
        ],
        by_payment_method=[
            PaymentMethodSpent.of(spent, own, payment_method=key)
            for key, spent in found.by_payment_method.items()
        ],
        by_month=[MonthSpent.of(spent, own, month=key) for key, spent in found.by_month.items()],
    )
