"""What only the identity role reads: logins, one-time links and attempts.

The application reaches these tables through functions (`backend/db/migrations/identity.py`). Tokens
are random, and only their SHA-256 is stored.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, Identified, one_of


class LoginEnd(StrEnum):
    LOGOUT = "logout"
    REUSE = "reuse"
    PASSWORD = "password"  # noqa: S105  # the password was changed


class Login(Identified, Base):
    """A family of refresh tokens: one login on one device, until it ends or expires."""

    __tablename__ = "logins"
    __table_args__ = (one_of("ended_by", LoginEnd),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(10))


class RefreshToken(Base):
    """Of a login's tokens one is unused; a used one that comes back ends the login."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PasswordReset(Base):
    """A one-time link; `organization_id` is that of the administrator who made it, if one did."""

    __tablename__ = "password_resets"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginAttempts(Base):
    """Attempts on one account or from one address, both hashed, until `ends_at`."""

    __tablename__ = "login_attempts"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    attempts: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class ExternalIdentity(Base):
    """Who a subject of an identity provider is here."""

    __tablename__ = "external_identities"
    __table_args__ = (UniqueConstraint("user_id", "issuer"),)

    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    subject: Mapped[str] = mapped_column(String(500), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
