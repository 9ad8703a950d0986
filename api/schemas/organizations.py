from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api.schemas.common import (
    UNQUOTED,
    CurrencyCode,
    Input,
    Name,
    Patch,
    Versioned,
    absent,
    example,
)
from backend.identity.models import OrganizationKind
from backend.periods import time_zones


def _known_zone(value: str) -> str:
    if value not in time_zones():
        raise PydanticCustomError(
            "time_zone", "Not a time zone of the IANA database, such as Europe/Paris."
        )
    return value


TimeZone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        examples=["Europe/Paris"],
        json_schema_extra={"format": "time-zone", "description": "Of the IANA database."},
    ),
    AfterValidator(_known_zone),
]
Month = Annotated[int, Field(ge=1, le=12, description="1 is January."), UNQUOTED]


class OrganizationSettings(Input):
    """Of an organization that comes with its first user; what is left out has a default."""

    name: Name = Field(default_factory=absent)
    kind: OrganizationKind = Field(default_factory=absent)
    base_currency: CurrencyCode = "EUR"
    time_zone: TimeZone = "UTC"
    fiscal_year_start_month: Month = 1


class OrganizationCreate(Input):
    model_config = example(name="Example Ltd", base_currency="EUR", time_zone="Europe/Paris")

    name: Name
    kind: OrganizationKind = OrganizationKind.COMPANY
    base_currency: CurrencyCode
    time_zone: TimeZone = "UTC"
    fiscal_year_start_month: Month = 1


class OrganizationPatch(Patch):
    """A new base currency converts everything anew; what has no rate then counts as unconverted."""

    name: Name = Field(default_factory=absent)
    base_currency: CurrencyCode = Field(default_factory=absent)
    time_zone: TimeZone = Field(default_factory=absent)
    fiscal_year_start_month: Month = Field(default_factory=absent)


class OrganizationDetail(Versioned):
    id: UUID
    name: str
    kind: OrganizationKind
    base_currency: str
    time_zone: str
    fiscal_year_start_month: int
    created_at: datetime
    updated_at: datetime
