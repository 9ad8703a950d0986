from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from api.schemas.common import (
    CurrencyCode,
    Email,
    EmailText,
    Input,
    Name,
    Output,
    Patch,
    absent,
    example,
)
from api.schemas.organizations import OrganizationSettings
from backend.identity.passwords import MINIMUM_LENGTH
from backend.scope import ApprovalLevel, Role

_PHRASE = Field(examples=["correct horse battery staple"])
Password = Annotated[SecretStr, Field(min_length=1, max_length=1000), _PHRASE]
NewPassword = Annotated[
    SecretStr,
    Field(min_length=MINIMUM_LENGTH, max_length=1000, description="Long rather than complicated."),
    _PHRASE,
]
SecretToken = Annotated[
    SecretStr,
    Field(min_length=1, max_length=200, examples=["q8Zr0cW1uJw3xYkT5nVb7mLp9sDf2gHj4aQe6oIi8tU"]),
]


class Registration(Input):
    email: Email
    name: Name = Field(examples=["Ada"])
    password: NewPassword
    organization: OrganizationSettings = Field(
        default_factory=OrganizationSettings,
        description="The user's own; without a name it is a personal one under theirs.",
    )


class Accepted(Output):
    """The same for every address, so that nobody finds out who is here."""

    detail: str


class TokenRequest(Input):
    email: EmailText
    password: Password
    organization: UUID | None = Field(
        None, description="The organization to act in; by default the one the user joined first."
    )


class MembershipOut(Output):
    organization_id: UUID
    name: str
    role: Role


class TokenAnswer(Output):
    """`refresh_token` is good for one `POST /api/auth/refresh`, which answers with the next."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # a scheme, not a secret
    expires_in: int = Field(description="Seconds.")
    refresh_token: str
    refresh_expires_at: datetime = Field(description="The end of this login: refreshing ends too.")
    organization: MembershipOut


class RefreshRequest(Input):
    refresh_token: SecretToken


class PasswordChange(Input):
    current_password: Password
    new_password: NewPassword


class PasswordResetRequest(Input):
    model_config = example(email="ada@example.com")

    email: EmailText


class PasswordResetConfirmation(Input):
    token: SecretToken
    new_password: NewPassword


class OneTimeLinkOut(Output):
    """Shown this once. Hand it over on a way you trust: whoever has it may use it, once."""

    token: str
    url: str | None = Field(
        description="Into the web application; null while its address is not set."
    )
    expires_at: datetime


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


class MePatch(Patch):
    name: Name = Field(default_factory=absent)
