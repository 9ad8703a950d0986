"""Organizations, the people in them and their API tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import (
    Base,
    Currency,
    Identified,
    Tenant,
    TenantIdentified,
    Timestamped,
    currency_check,
    member_key,
    one_of,
)
from backend.identity import login_models  # noqa: F401  # the metadata is whole with them
from backend.scope import ApprovalLevel, Role


class OrganizationKind(StrEnum):
    PERSONAL = "personal"
    HOUSEHOLD = "household"
    COMPANY = "company"


class Organization(Identified, Timestamped, Base):
    __tablename__ = "organizations"
    __table_args__ = (
        currency_check("base_currency"),
        one_of("kind", OrganizationKind),
        CheckConstraint("fiscal_year_start_month BETWEEN 1 AND 12", name="fiscal_month"),
    )

    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20), server_default=OrganizationKind.COMPANY)
    base_currency: Mapped[str] = mapped_column(Currency)
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    fiscal_year_start_month: Mapped[int] = mapped_column(server_default=text("1"))


class User(Identified, Timestamped, Base):
    """A person; global, since one person may belong to several organizations."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_email", func.lower(text("email")), unique=True),)

    email: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    password_reset_requested_at: Mapped[datetime | None]


class Member(Tenant, Timestamped, Base):
    __tablename__ = "members"
    __table_args__ = (one_of("role", Role), one_of("approval_level", ApprovalLevel))

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(20))
    approval_level: Mapped[str] = mapped_column(String(20), server_default=ApprovalLevel.AUTOMATIC)


class ApiToken(TenantIdentified, Timestamped, Base):
    """Only the SHA-256 of a token is stored."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        member_key("user_id", ondelete="CASCADE"),
        CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'admin']::varchar[] AND cardinality(scopes) > 0",
            name="scopes_known",
        ),
    )

    user_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(10)))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Invitation(TenantIdentified, Timestamped, Base):
    """A one-time link into the organization, for one e-mail address.

    It is open until it is accepted, revoked or expired; an address has one that is open.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        member_key("created_by", ondelete="SET NULL (created_by)"),
        member_key("accepted_by", ondelete="SET NULL (accepted_by)"),
        one_of("role", Role),
        one_of("approval_level", ApprovalLevel),
        Index(
            "uq_invitations_open",
            "organization_id",
            text("lower(email)"),
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )

    email: Mapped[str] = mapped_column(String(320))
    role: Mapped[str] = mapped_column(String(20))
    approval_level: Mapped[str] = mapped_column(String(20), server_default=ApprovalLevel.AUTOMATIC)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_by: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]
