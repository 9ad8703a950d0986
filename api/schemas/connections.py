from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import (
    EXAMPLE_ID,
    Input,
    Instant,
    Patch,
    ShortText,
    Versioned,
    absent,
    example,
)
from backend.ledger.models import ConnectionStatus

Provider = Annotated[ShortText, Field(description="Who fetches the data.", examples=["manual"])]


class ConnectionCreate(Input):
    model_config = example(institution_id=EXAMPLE_ID, provider="manual")

    institution_id: UUID
    provider: Provider
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    last_synced_at: Instant | None = None


class ConnectionPatch(Patch):
    """The institution stays as it is: accounts are fed from it."""

    provider: Provider = Field(default_factory=absent)
    status: ConnectionStatus = Field(default_factory=absent)
    last_synced_at: Instant | None = None


class ConnectionOut(Versioned):
    id: UUID
    institution_id: UUID
    provider: str
    status: ConnectionStatus
    last_synced_at: datetime | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class ConnectionListParams(PageParams):
    institution_id: UUID | None = None
    status: ConnectionStatus | None = None
    provider: Provider | None = None
