"""The files that were imported."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import (
    Base,
    TenantIdentified,
    Timestamped,
    member_key,
    one_of,
    tenant_key,
)
from backend.imports.sniffing import FileFormat


class Import(TenantIdentified, Timestamped, Base):
    """A file that was imported into an account, and what became of its rows."""

    __tablename__ = "imports"
    __table_args__ = (
        tenant_key("account_id", "accounts", ondelete="CASCADE"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        one_of("format", FileFormat),
        CheckConstraint("created >= 0 AND duplicates >= 0 AND failed >= 0", name="counts"),
        Index("ix_imports_account", "organization_id", "account_id", "id"),
    )

    account_id: Mapped[UUID]
    format: Mapped[str] = mapped_column(String(10))
    filename: Mapped[str | None] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    created: Mapped[int]
    duplicates: Mapped[int]
    failed: Mapped[int]
    created_by: Mapped[UUID | None]
