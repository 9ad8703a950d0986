"""Who someone is and what they may see, read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import load_only

from backend.db.engine import organization_session
from backend.errors import Unauthenticated
from backend.identity.models import Member, Organization, User
from backend.scope import ApprovalLevel, Role, Scope

Database = AsyncConnection | AsyncSession


@dataclass(frozen=True, slots=True)
class Membership:
    organization_id: UUID
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Credential:
    """What a valid token stands for, before anything is known of the member.

    It is good while the login `login_id` is open, if it is of one.
    """

    user_id: UUID
    organization_id: UUID
    read_only: bool = False
    without_admin: bool = False
    api_token_id: UUID | None = None
    login_id: UUID | None = None
    expires_at: datetime | None = None


# These run before an organization is known: each is a function that answers one question.
_FIND_LOGIN = text("SELECT user_id, password_hash FROM find_login(:email)")
_FIND_MEMBERSHIPS = text("SELECT organization_id, name, role FROM find_memberships(:user_id)")
_FIND_API_TOKEN = text(
    "SELECT id, organization_id, user_id, scopes, expires_at FROM find_api_token(:digest)"
)

_FIND_EXTERNAL_USER = text("SELECT find_external_user(:issuer, :subject)")

# One round trip; the shares belong to layers above this one, so their tables are named here only.
_LOAD_SCOPE = text("""
    SELECT m.role, m.approval_level, o.base_currency, o.time_zone, o.fiscal_year_start_month,
        ARRAY(
            SELECT s.account_id FROM account_shares s
            WHERE s.organization_id = m.organization_id AND s.user_id = m.user_id
        ) AS accounts,
        ARRAY(
            SELECT s.budget_id FROM budget_shares s
            WHERE s.organization_id = m.organization_id AND s.user_id = m.user_id
        ) AS budgets
    FROM members m
    JOIN organizations o ON o.id = m.organization_id
    JOIN users u ON u.id = m.user_id AND u.active
    WHERE m.organization_id = :organization_id AND m.user_id = :user_id
      AND (CAST(:login_id AS uuid) IS NULL OR login_is_open(CAST(:login_id AS uuid)))
""")


async def find_external_user(database: Database, issuer: str, subject: str) -> UUID | None:
    """The active user whom the subject of an identity provider is linked to."""
    values = {"issuer": issuer, "subject": subject}
    return (await database.execute(_FIND_EXTERNAL_USER, values)).scalar_one()


async def find_login(database: Database, email: str) -> tuple[UUID, str | None] | None:
    """Id and password hash of the active user with this address."""
    row = (await database.execute(_FIND_LOGIN, {"email": email})).one_or_none()
    return None if row is None else (row.user_id, row.password_hash)


async def find_memberships(database: Database, user_id: UUID) -> Sequence[Membership]:
    """The organizations of an active user, the oldest membership first."""
    rows = (await database.execute(_FIND_MEMBERSHIPS, {"user_id": user_id})).all()
    return [Membership(row.organization_id, row.name, Role(row.role)) for row in rows]


async def find_api_token(database: Database, digest: bytes) -> Credential | None:
    """What the API token stands for, unless it is revoked or expired."""
    row = (await database.execute(_FIND_API_TOKEN, {"digest": digest})).one_or_none()
    if row is None:
        return None
    return Credential(
        user_id=row.user_id,
        organization_id=row.organization_id,
        read_only=not {"write", "admin"} & set(row.scopes),
        without_admin="admin" not in row.scopes,
        api_token_id=UUID(int=row.id.int),
        expires_at=row.expires_at,
    )


async def load_scope(engine: AsyncEngine, credential: Credential) -> Scope | None:
    """The member's scope; None when inactive, logged out, or not a member any more."""
    values = {
        "organization_id": credential.organization_id,
        "user_id": credential.user_id,
        "login_id": credential.login_id,
    }
    async with organization_session(engine, credential.organization_id) as session:
        row = (await session.execute(_LOAD_SCOPE, values)).one_or_none()
    if row is None:
        return None
    return Scope(
        user_id=credential.user_id,
        organization_id=credential.organization_id,
        role=Role(row.role),
        approval_level=ApprovalLevel(row.approval_level),
        shared_account_ids=_plain_ids(row.accounts),
        shared_budget_ids=_plain_ids(row.budgets),
        base_currency=row.base_currency,
        time_zone=row.time_zone,
        fiscal_year_start_month=row.fiscal_year_start_month,
        read_only=credential.read_only,
        without_admin=credential.without_admin,
        api_token_id=credential.api_token_id,
    )


def _plain_ids(ids: Sequence[UUID]) -> frozenset[UUID]:
    """The driver's own UUID subclass stays out of what other libraries get to see."""
    return frozenset(UUID(int=i.int) for i in ids)


async def get_profile(session: AsyncSession, scope: Scope) -> tuple[User, Organization]:
    """The caller's own row and their organization's, without what the application may not read.

    `Unauthenticated` when they left the organization since their scope was read.
    """
    statement = select(User).where(User.id == scope.user_id)
    user = await session.scalar(statement.options(load_only(User.email, User.name)))
    if user is None:
        raise Unauthenticated("The token is not valid.")
    return user, await session.get_one(Organization, scope.organization_id)


async def is_member(session: AsyncSession, scope: Scope, user_id: UUID) -> bool:
    """Whether the user belongs to the caller's organization."""
    found = await session.scalar(
        select(Member.user_id).where(
            Member.organization_id == scope.organization_id, Member.user_id == user_id
        )
    )
    return found is not None
