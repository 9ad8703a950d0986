from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, field_serializer

from api.paging import PageParams
from api.schemas.common import (
    CurrencyCode,
    Description,
    Input,
    Name,
    Output,
    Patch,
    PlainDate,
    PositiveAmount,
    SearchText,
    ShortText,
    Versioned,
    absent,
)
from backend.db.references import Reference, references
from backend.ledger.models import (
    PaymentMethod,
    Transaction,
    TransactionKind,
    TransactionStatus,
)
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


TagIds = Annotated[list[UUID], Field(max_length=100)]
_SPLITS = Field(max_length=200, description="Parts that add up to the amount; empty for none.")


class TransactionCreate(Input):
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
    tag_ids: list[UUID]
    splits: list[SplitOut]
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)

    @classmethod
    def of(cls, row: Transaction, parts: Parts, budgets: Collection[UUID]) -> Self:
        """The row as the caller may see it: accounts and budgets that are not theirs are null."""
        values = _columns(row, cls, {"tag_ids", "splits"})
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


class TransactionListParams(PageParams):
    account_id: UUID | None = None
    category_id: UUID | None = Field(None, description="Also of a split.")
    tag_id: UUID | None = Field(None, description="Also of a split.")
    budget_id: UUID | None = Field(None, description="What counts in this budget itself.")
    kind: TransactionKind | None = None
    status: TransactionStatus | None = None
    from_date: PlainDate | None = Field(None, description="The first day.")
    to_date: PlainDate | None = Field(None, description="The last day.")
    q: SearchText | None = Field(None, description="Part of the description or the vendor.")
    sort: Literal["date", "-date"] = "-date"


def budget_references(body: TransactionCreate | TransactionPatch) -> list[Reference]:
    """The budgets that a transaction and its splits name, with their JSON pointers."""
    found = references("#", {"budget_id": body.budget_id}, "budget_id")
    for n, split in enumerate(body.splits or []):
        found += references(f"#/splits/{n}", {"budget_id": split.budget_id}, "budget_id")
    return found
