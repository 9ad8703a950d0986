from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import Email, Input, Name, Output, example
from api.schemas.identity import OneTimeLinkOut, Password, SecretToken
from backend.identity.models import Invitation
from backend.identity.one_time_links import OneTimeLink
from backend.scope import ApprovalLevel, Role


class InvitationStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class InvitationCreate(Input):
    model_config = example(email="bob@example.com", role="member")

    email: Email
    role: Role
    approval_level: ApprovalLevel = ApprovalLevel.AUTOMATIC


class InvitationOut(Output):
    id: UUID
    email: str
    role: Role
    approval_level: ApprovalLevel
    status: InvitationStatus
    created_by: UUID | None
    accepted_by: UUID | None
    expires_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, invitation: Invitation, now: datetime) -> Self:
        return cls(
            id=invitation.id,
            email=invitation.email,
            role=Role(invitation.role),
            approval_level=ApprovalLevel(invitation.approval_level),
            status=_status(invitation, now),
            created_by=invitation.created_by,
            accepted_by=invitation.accepted_by,
            expires_at=invitation.expires_at,
            created_at=invitation.created_at,
        )


def _status(invitation: Invitation, now: datetime) -> InvitationStatus:
    if invitation.accepted_at is not None:
        return InvitationStatus.ACCEPTED
    if invitation.revoked_at is not None:
        return InvitationStatus.REVOKED
    return InvitationStatus.OPEN if invitation.expires_at > now else InvitationStatus.EXPIRED


class InvitationCreated(Output):
    invitation: InvitationOut
    link: OneTimeLinkOut

    @classmethod
    def of(cls, invitation: Invitation, link: OneTimeLink, now: datetime) -> Self:
        return cls(
            invitation=InvitationOut.of(invitation, now), link=OneTimeLinkOut.model_validate(link)
        )


class InvitationListParams(PageParams):
    open_only: bool = Field(
        default=False, alias="open", description="Only those that can be accepted now."
    )


class InvitationLookUp(Input):
    token: SecretToken


class OpenInvitationOut(Output):
    """What the link is for; with `user_exists` it is accepted with that user's password."""

    organization_id: UUID
    organization_name: str
    email: str
    role: Role
    expires_at: datetime
    user_exists: bool


class InvitationAcceptance(Input):
    """Logged in, the token is enough. Otherwise `password` is the user's, or a new user's."""

    token: SecretToken
    name: Name | None = Field(None, description="Of a new user.")
    password: Password | None = None
