from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import Input, Instant, Name, Output, example


class TokenScope(StrEnum):
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiTokenCreate(Input):
    model_config = example(name="Nightly export", scopes=["read"])

    name: Name
    scopes: Annotated[list[TokenScope], Field(min_length=1, max_length=3)] = Field(
        default=[TokenScope.READ],
        description=(
            "`write` and `admin` include `read`; `admin` is for members, invitations and the "
            "organization's settings. None goes beyond its holder's role."
        ),
    )
    expires_at: Instant | None = Field(None, description="In the future; null for never.")


class ApiTokenOut(Output):
    id: UUID
    user_id: UUID
    name: str
    scopes: list[TokenScope]
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class ApiTokenCreated(ApiTokenOut):
    token: str = Field(description="Shown this once.")


class ApiTokenListParams(PageParams):
    user_id: UUID | None = Field(
        None, description="Another member's tokens: for owners and admins; empty for others."
    )
