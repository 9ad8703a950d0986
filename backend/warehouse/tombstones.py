"""What was deleted since a refresh: keys that triggers leave (backend/db/migrations/tombstones)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Identity, String, func
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Base, Tracked, one_of


class TombstoneKind(StrEnum):
    """What a refresh has to look at again; EVERYTHING where the keys are no longer known."""

    TRANSACTION = "transaction"
    CLOUD_COST = "cloud_cost"
    ACCOUNT = "account"
    RATE = "rate"
    EVERYTHING = "everything"


class Tombstone(Tracked, Base):
    """`key` is the id of a transaction, cloud cost or account; `date` the day of a rate.

    Without a foreign key: it is written while an organization is deleted, too.
    """

    __tablename__ = "tombstones"
    __table_args__ = (one_of("kind", TombstoneKind),)

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[UUID | None]
    date: Mapped[date | None]
    buried_at: Mapped[datetime] = mapped_column(server_default=func.now())
