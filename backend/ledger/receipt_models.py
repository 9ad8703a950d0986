"""The table of receipts; their content lies in files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, TenantIdentified, member_key, tenant_key


class Receipt(TenantIdentified, Base):
    """The document that proves a transaction. `storage_key` names its file, `size` is in bytes."""

    __tablename__ = "receipts"
    __table_args__ = (
        tenant_key("transaction_id", "transactions", ondelete="CASCADE"),
        member_key("created_by", ondelete="SET NULL (created_by)"),
        UniqueConstraint("organization_id", "transaction_id"),
        UniqueConstraint("organization_id", "storage_key"),
        CheckConstraint("size > 0", name="size_positive"),
    )

    transaction_id: Mapped[UUID]
    file_name: Mapped[str] = mapped_column(String(200))
    content_type: Mapped[str] = mapped_column(String(50))
    size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    storage_key: Mapped[str] = mapped_column(String(100))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
