"""Queries that people keep, and files that were made of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, TenantIdentified, Timestamped, member_key, one_of, tenant_key


class ExportStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # it had succeeded; the file is gone


class SavedQuery(TenantIdentified, Timestamped, Base):
    """`spec` is the query as it was sent, under the contract of `spec_version`.

    A trigger removes the private queries of a member who leaves; shared ones stay, owned by nobody.
    """

    __tablename__ = "saved_queries"
    __table_args__ = (
        member_key("owner_id", ondelete="SET NULL (owner_id)"),
        Index(
            "uq_saved_queries_name",
            "organization_id",
            "owner_id",
            text("lower(name)"),
            unique=True,
        ),
        Index("ix_saved_queries_name", "organization_id", "name", "id"),
    )

    owner_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(500))
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    spec_version: Mapped[int]
    shared: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class Export(TenantIdentified, Timestamped, Base):
    """`rights` is what the asker might see (see `rights`), `as_of` what `generation` was read of.

    `updated_at` moves while a worker writes.
    """

    __tablename__ = "exports"
    __table_args__ = (
        member_key("requested_by", ondelete="CASCADE"),
        tenant_key("api_token_id", "api_tokens", ondelete="CASCADE"),
        one_of("status", ExportStatus),
        Index("ix_exports_requested_by", "organization_id", "requested_by", "id"),
        Index("ix_exports_status", "organization_id", "status"),
    )

    requested_by: Mapped[UUID]
    api_token_id: Mapped[UUID | None]
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    format: Mapped[str] = mapped_column(String(20))
    file_name: Mapped[str] = mapped_column(String(200))
    rights: Mapped[dict[str, Any]] = mapped_column(JSONB)
    run_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(String(20), server_default=ExportStatus.QUEUED)
    reason: Mapped[str | None] = mapped_column(String(2000))
    generation: Mapped[str | None] = mapped_column(String(100))
    as_of: Mapped[datetime | None]
    rows_written: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
