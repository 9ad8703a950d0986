from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field, field_serializer

from api.paging import PageParams
from api.schemas.common import (
    CurrencyCode,
    Input,
    Name,
    NonNegativeAmount,
    Output,
    Patch,
    SearchText,
    Versioned,
    absent,
    example,
)
from backend.ledger.models import AccountStatus, AccountType
from backend.money import format_amount


class AccountCreate(Input):
    model_config = example(name="Current account", type="bank", currency="EUR")

    name: Name
    type: AccountType
    currency: CurrencyCode
    credit_limit: NonNegativeAmount | None = None
    owner_id: UUID | None = Field(None, description="A member; by default the caller.")
    institution_id: UUID | None = None
    connection_id: UUID | None = Field(None, description="Of the same institution.")
    external_id: Name | None = Field(None, description="Unique within the organization.")


class AccountPatch(Patch):
    """The currency stays as it is: the account's balances are in it."""

    name: Name = Field(default_factory=absent)
    type: AccountType = Field(default_factory=absent)
    credit_limit: NonNegativeAmount | None = None
    status: AccountStatus = Field(default_factory=absent)
    owner_id: UUID = Field(default_factory=absent)
    institution_id: UUID | None = None
    connection_id: UUID | None = None
    external_id: Name | None = None


class AccountOut(Versioned):
    id: UUID
    owner_id: UUID
    name: str
    type: AccountType
    currency: str
    credit_limit: Decimal | None
    status: AccountStatus
    institution_id: UUID | None
    connection_id: UUID | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime

    @field_serializer("credit_limit")
    def _credit_limit(self, value: Decimal | None) -> str | None:
        return None if value is None else format_amount(value, self.currency)


class AccountListParams(PageParams):
    type: AccountType | None = None
    currency: CurrencyCode | None = None
    status: AccountStatus | None = None
    owner_id: UUID | None = None
    q: SearchText | None = Field(None, description="Part of the name.")


class Shares(Output):
    """The members that something is shared with."""

    user_ids: list[UUID]
