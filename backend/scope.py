"""Who is asking and what they may see; built once per request, required by every query builder."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def sees_whole_organization(self) -> bool:
        return self in _WHOLE_ORGANIZATION


class ApprovalLevel(StrEnum):
    AUTOMATIC = "automatic"
    MANAGER = "manager"
    DIRECTOR = "director"
    EXECUTIVE = "executive"


_WHOLE_ORGANIZATION = frozenset({Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST})
_ADMINISTRATORS = frozenset({Role.OWNER, Role.ADMIN})
_ORGANIZATION_WRITERS = frozenset({Role.OWNER, Role.ADMIN, Role.MANAGER})


@dataclass(frozen=True, slots=True)
class Scope:
    """One user in one organization.

    `shared_account_ids` and `shared_budget_ids` are those that others shared with the user; what
    the user owns is found by `user_id`. `read_only` is set by a token without the ``write`` scope,
    `without_admin` by one without ``admin``; `api_token_id` is that token, and None after a login.
    `job` names the job that acts with this user's rights, when it is not the user who asks.
    """

    user_id: UUID
    organization_id: UUID
    role: Role
    approval_level: ApprovalLevel = ApprovalLevel.AUTOMATIC
    shared_account_ids: frozenset[UUID] = field(default_factory=frozenset)
    shared_budget_ids: frozenset[UUID] = field(default_factory=frozenset)
    base_currency: str = "EUR"
    time_zone: str = "UTC"
    fiscal_year_start_month: int = 1
    read_only: bool = False
    without_admin: bool = False
    api_token_id: UUID | None = None
    job: str | None = None

    @property
    def actor(self) -> str:
        """Who answers for a write."""
        return str(self.user_id) if self.job is None else f"system:{self.job}"

    @property
    def sees_whole_organization(self) -> bool:
        return self.role.sees_whole_organization

    @property
    def writes_organization(self) -> bool:
        """May change what belongs to nobody in particular: categories, tags, anybody's ledger."""
        return not self.read_only and self.role in _ORGANIZATION_WRITERS

    @property
    def writes_ledger(self) -> bool:
        """May write ledger rows at all; a member only on accounts that they own or share."""
        return not self.read_only and self.role not in {Role.ANALYST, Role.VIEWER}

    @property
    def administers(self) -> bool:
        """May manage the organization itself, its members and their invitations."""
        return not self.read_only and not self.without_admin and self.role in _ADMINISTRATORS
