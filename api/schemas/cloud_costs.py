from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from api.paging import PageParams
from api.schemas.common import Name, Output, PlainDate
from backend.money import format_amount
from backend.usage.queries import Filters


class CloudCostFilters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    account_id: UUID | None = None
    import_id: UUID | None = None
    provider: Name | None = None
    service: Name | None = Field(None, description="The service's name.")
    region: Name | None = Field(None, description="The region's id or name.")
    charge_category: Annotated[str, Field(max_length=50)] | None = None
    from_date: PlainDate | None = Field(None, description="The first day, in UTC.")
    to_date: PlainDate | None = Field(None, description="The last day, in UTC.")

    def filters(self) -> Filters:
        return Filters(**self.model_dump(include=set(CloudCostFilters.model_fields)))


class CloudCostListParams(CloudCostFilters, PageParams):
    pass


class CloudCostSummaryParams(CloudCostFilters):
    limit: int = Field(50, ge=1, le=500)


class _Money(Output):
    billing_currency: str
    billed_cost: Decimal = Field(description="What the invoice says.")
    effective_cost: Decimal = Field(
        description="With prepaid commitments spread over their use; what the marts count."
    )

    @field_serializer(
        "billed_cost", "effective_cost", "list_cost", "contracted_cost", check_fields=False
    )
    def _cost(self, value: Decimal | None) -> str | None:
        return None if value is None else format_amount(value, self.billing_currency)


class CloudCostOut(_Money):
    id: UUID
    account_id: UUID
    import_id: UUID
    cost_date: date = Field(description="The day on which the charge began, in UTC.")
    provider: str
    service_name: str
    service_category: str | None
    region_id: str | None
    region_name: str | None
    resource_id: str | None
    sub_account_id: str | None
    charge_category: str
    charge_description: str | None
    charge_period_start: datetime
    charge_period_end: datetime
    billing_period_start: datetime
    billing_period_end: datetime
    list_cost: Decimal | None
    contracted_cost: Decimal | None
    tags: dict[str, Any] | None


class CloudCostWhole(CloudCostOut):
    raw: dict[str, str | None] = Field(description="The row as the file had it.")


class ServiceCostOut(_Money):
    provider: str
    service_name: str
    rows: int


class CloudCostSummary(Output):
    items: list[ServiceCostOut] = Field(description="The dearest first; a currency for itself.")
    next_cursor: None = None
