from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, field_serializer, model_validator

from api.paging import PageParams
from api.schemas.common import (
    EXAMPLE_ID,
    UNQUOTED,
    CurrencyCode,
    DayRange,
    Description,
    Flag,
    Input,
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
from api.schemas.receipts import ReceiptOut
from backend.db.references import Reference, references
from backend.errors import FieldError, InvalidInput
from backend.ledger.models import (
    PaymentMethod,
    Transaction,
    TransactionKind,
    TransactionStatus,
)
from backend.ledger.receipt_models import Receipt
from backend.ledger.transaction_lists import Filters
from backend.ledger.transaction_queries import Parts
from backend.money import format_amount


class SplitIn(Input):
    amount: PositiveAmount
    category_id: UUID | None = None
    budget_id: UUID | None = None
    tag_id: UUID | None = None
    description: Description | None = None


class SplitPatch(SplitIn):
    id: UUID | None = Field(
        None,
        description="The split that this one stays; without it, one that looks the same.",
    )


Percent = Annotated[int, Field(ge=0, le=100), UNQUOTED]
TagIds = Annotated[list[UUID], Field(max_length=100)]
_SPLITS = Field(max_length=200, description="Parts that add up to the amount; empty for none.")


class TransactionCreate(Input):
    model_config = example(
        account_id=EXAMPLE_ID,
        date="2025-03-10",
        amount="12.50",
        description="Lunch",
        vendor="Chez Ada",
        tag_ids=[],
    )

    account_id: UUID
    counter_account_id: UUID | None = Field(
        None, description="Where a transfer goes to; for transfers only."
    )
    kind: TransactionKind = TransactionKind.EXPENSE
    status: TransactionStatus = TransactionStatus.PAID
    date: PlainDate
    amount: PositiveAmount
    currency: CurrencyCode | None = Field(None, description="By default the account's.")
    description: Description
    category_id: UUID | None = None
    budget_id: UUID | None = None
    vendor: Name | None = None
    invoice_number: ShortText | None = None
    payment_method: PaymentMethod | None = None
    external_id: Name | None = Field(None, description="Unique within the account.")
    auto_categorised: Flag = Field(default=False, description="Nobody chose the category.")
    confidence: Percent | None = Field(None, description="How sure whatever chose it was.")
    tag_ids: TagIds = Field(default_factory=list)
    splits: Annotated[list[SplitIn], _SPLITS] = Field(default_factory=list)


class TransactionPatch(Patch):
    account_id: UUID = Field(default_factory=absent)
    counter_account_id: UUID | None = None
    kind: TransactionKind = Field(default_factory=absent)
    status: TransactionStatus = Field(default_factory=absent)
    date: PlainDate = Field(default_factory=absent)
    amount: PositiveAmount = Field(default_factory=absent)
    currency: CurrencyCode = Field(default_factory=absent)
    description: Description = Field(default_factory=absent)
    category_id: UUID | None = None
    budget_id: UUID | None = None
    vendor: Name | None = None
    invoice_number: ShortText | None = None
    payment_method: PaymentMethod | None = None
    external_id: Name | None = None
    auto_categorised: Flag = Field(
        default_factory=absent, description="By default false when the category is changed."
    )
    confidence: Percent | None = None
    tag_ids: TagIds = Field(default_factory=absent)
    splits: Annotated[list[SplitPatch], _SPLITS] = Field(default_factory=absent)


class SplitOut(Output):
    id: UUID
    amount: Decimal
    currency: str
    category_id: UUID | None
    budget_id: UUID | None
    tag_id: UUID | None
    description: str | None

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)


class TransactionOut(Versioned):
    id: UUID
    account_id: UUID
    counter_account_id: UUID | None
    kind: TransactionKind
    status: TransactionStatus
    date: date
    amount: Decimal
    currency: str
    description: str
    category_id: UUID | None
    budget_id: UUID | None
    vendor: str | None
    invoice_number: str | None
    payment_method: PaymentMethod | None
    external_id: str | None
    auto_categorised: bool
    confidence: int | None
    recurring_id: UUID | None
    receipt: ReceiptOut | None
    tag_ids: list[UUID]
    splits: list[SplitOut]
    created_by: UUID | None
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of(
        cls,
        row: Transaction,
        parts: Parts,
        budgets: Collection[UUID],
        recurring: Collection[UUID],
        receipt: Receipt | None,
    ) -> Self:
        """The row as the caller may see it: what it names and they may not see is null."""
        values = _columns(row, cls, {"tag_ids", "splits", "receipt"})
        values["receipt"] = receipt
        values["recurring_id"] = _if_in(recurring, row.recurring_id)
        values["tag_ids"] = parts.tag_ids.get(row.id, [])
        values["splits"] = [
            _columns(split, SplitOut, {"currency"})
            | {"currency": row.currency, "budget_id": _if_in(budgets, split.budget_id)}
            for split in parts.splits.get(row.id, [])
        ]
        values["budget_id"] = _if_in(budgets, row.budget_id)
        values["counter_account_id"] = _if_in(parts.accounts, row.counter_account_id)
        return cls.model_validate(values)


def _columns(row: object, shape: type[Output], besides: Collection[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.model_fields if name not in besides}


def _if_in(visible: Collection[UUID], identity: UUID | None) -> UUID | None:
    return identity if identity in visible else None


class BookingListParams(PageParams, DayRange):
    account_id: UUID | None = None
    category_id: UUID | None = Field(None, description="Also of a split.")
    include_subcategories: bool = Field(
        default=False, description="And whatever lies below `category_id`."
    )
    uncategorised: bool = Field(
        default=False, description="Only those that lack a category, wholly or in a split."
    )
    tag_id: UUID | None = Field(None, description="Also of a split.")
    budget_id: UUID | None = Field(None, description="What counts in this budget itself.")
    status: TransactionStatus | None = None
    currency: CurrencyCode | None = None
    payment_method: PaymentMethod | None = None
    vendor: Name | None = Field(None, description="The whole name, in any case.")
    external_id: Name | None = None
    auto_categorised: bool | None = None
    min_amount: NonNegativeAmount | None = Field(
        None, description="In each transaction's own currency."
    )
    max_amount: NonNegativeAmount | None = None
    q: SearchText | None = Field(None, description="Part of the description or the vendor.")
    deleted: bool = Field(default=False, description="Those that can be restored, instead.")
    sort: Literal["-date", "date", "-amount", "amount"] = "-date"

    @model_validator(mode="after")
    def _amounts_in_order(self) -> Self:
        lowest, highest = self.min_amount, self.max_amount
        if lowest is not None and highest is not None and lowest > highest:
            raise InvalidInput(
                "The amounts are not in order.",
                errors=[FieldError("max_amount", "Must not be below `min_amount`.")],
            )
        return self

    def filters(self) -> Filters:
        """All but the budget, which it takes the budgets to look up."""
        named = {f.name for f in fields(Filters)} & type(self).model_fields.keys()
        return Filters(**{name: getattr(self, name) for name in named})


class TransactionListParams(BookingListParams):
    kind: TransactionKind | None = None


def budget_references(body: TransactionCreate | TransactionPatch) -> list[Reference]:
    """The budgets that a transaction and its splits name, with their JSON pointers."""
    found = references("#", {"budget_id": body.budget_id}, "budget_id")
    for n, split in enumerate(body.splits or []):
        found += references(f"#/splits/{n}", {"budget_id": split.budget_id}, "budget_id")
    return found
