"""Who changed what and when: entries that stay for ever, and payloads that can be erased.

An entry holds only a digest of the object's states, salted so that it tells nothing once the
payload, and the salt with it, is erased. The database lets nobody change or remove an entry.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, Tracked


class OfOrganization:
    """Without a foreign key: what is told of an organization outlives it."""

    organization_id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("current_organization()"), sort_order=-2
    )


class AuditEntry(OfOrganization, Tracked, Base):
    """`actor` is a user's id or `system:<job>`; `changed_xid` orders entries by their commit."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_object", "organization_id", "object_type", "object_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("uuidv7()"), sort_order=-1
    )
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str] = mapped_column(String(100))
    request_id: Mapped[str | None] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(50))
    object_type: Mapped[str] = mapped_column(String(50))
    object_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AuditPayload(OfOrganization, Base):
    """The object before and after, each null where there was or is none.

    It is written in one statement with its entry; a foreign key would only check that once more.
    """

    __tablename__ = "audit_payloads"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
