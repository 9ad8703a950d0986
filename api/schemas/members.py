from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import Patch, SearchText, Versioned, absent
from backend.identity.members import Person, shows_address
from backend.scope import ApprovalLevel, Role, Scope


class MemberPatch(Patch):
    role: Role = Field(default_factory=absent)
    approval_level: ApprovalLevel = Field(default_factory=absent)


class MemberOut(Versioned):
    user_id: UUID
    name: str
    email: str | None = Field(description="Null for callers who do not see the whole organization.")
    role: Role
    approval_level: ApprovalLevel
    active: bool
    password_reset_requested_at: datetime | None = Field(
        description="They cannot log in and ask for a link; shown to owners and admins."
    )
    joined_at: datetime

    @classmethod
    def of(cls, person: Person, scope: Scope) -> Self:
        member, user = person.member, person.user
        return cls(
            version=member.version,
            user_id=member.user_id,
            name=user.name,
            email=user.email if shows_address(scope, member.user_id) else None,
            role=Role(member.role),
            approval_level=ApprovalLevel(member.approval_level),
            active=user.active,
            password_reset_requested_at=(
                user.password_reset_requested_at if scope.administers else None
            ),
            joined_at=member.created_at,
        )


class MemberListParams(PageParams):
    role: Role | None = None
    q: SearchText | None = Field(None, description="Part of the name.")
