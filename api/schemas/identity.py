from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from api.schemas.common import CurrencyCode, Input, Output, ShortText
from backend.scope import ApprovalLevel, Role


class TokenRequest(Input):
    email: Annotated[ShortText, Field(max_length=320, examples=["ada@example.com"])]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1000)]
    organization: UUID | None = Field(
        None, description="The organization to act in; by default the one the user joined first."
    )


class MembershipOut(Output):
    organization_id: UUID
    name: str
    role: Role


class TokenAnswer(Output):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # a scheme, not a secret
    expires_in: int = Field(description="Seconds.")
    organization: MembershipOut


class UserOut(Output):
    id: UUID
    email: str
    name: str


class OrganizationOut(Output):
    id: UUID
    name: str
    kind: str
    base_currency: CurrencyCode
    time_zone: str
    fiscal_year_start_month: int


class Me(Output):
    """Who the token stands for, in which organization, and where else they belong."""

    user: UserOut
    organization: OrganizationOut
    role: Role
    approval_level: ApprovalLevel
    read_only: bool
    memberships: list[MembershipOut]
