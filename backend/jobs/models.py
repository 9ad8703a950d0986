"""Records of long-running work that a caller asked for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, TenantIdentified, Timestamped, member_key, one_of


class RefreshStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({RefreshStatus.SUCCEEDED, RefreshStatus.FAILED, RefreshStatus.CANCELLED})


class Refresh(TenantIdentified, Timestamped, Base):
    """A caller's request for a refresh; several requests may share one Dagster run."""

    __tablename__ = "refreshes"
    __table_args__ = (
        member_key("requested_by", ondelete="SET NULL (requested_by)"),
        one_of("status", RefreshStatus),
        Index("ix_refreshes_created_at", "organization_id", "created_at"),
    )

    requested_by: Mapped[UUID | None]
    run_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(20), server_default=RefreshStatus.QUEUED)
    reason: Mapped[str | None] = mapped_column(String(2000))
    generation: Mapped[str | None] = mapped_column(String(100))
    finished_at: Mapped[datetime | None]
