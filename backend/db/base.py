"""Declarative base, constraint names, and the columns that every tenant row shares."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Numeric,
    func,
    inspect,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it as a class attribute
        datetime: DateTime(timezone=True),
        Decimal: Numeric(18, 4),
    }


class Views(DeclarativeBase):
    """What migrations make and only queries read."""

    type_annotation_map = Base.type_annotation_map


class Identified:
    """A time-ordered UUID made by PostgreSQL, so that equal inserts cluster on disk."""

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))


class Tenant:
    """A row of one organization; by default the one of the transaction's context."""

    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"),
        primary_key=True,
        server_default=text("current_organization()"),
        sort_order=-2,
    )


class TenantIdentified(Tenant):
    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("uuidv7()"), sort_order=-1
    )


class Timestamped:
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)

    @property
    def version(self) -> str:
        """Differs after every write of the row, and from that of every other row."""
        identity = inspect(self).identity
        written_by = getattr(self, "changed_xid", None)  # not every table is tracked
        stamp = f"{identity} {self.updated_at.isoformat()} {written_by}"
        return sha256(stamp.encode()).hexdigest()[:32]


class Tracked:
    """`changed_xid`, the transaction that last wrote the row, is the extract's watermark.

    A trigger sets it on update. Timestamps cannot serve: a transaction that began before the last
    snapshot may commit after it.
    """

    changed_xid: Mapped[int] = mapped_column(
        Xid8, server_default=text("pg_current_xact_id()"), sort_order=99
    )


Currency = CHAR(3)


def currency_check(column: str = "currency") -> CheckConstraint:
    return CheckConstraint(f"{column} ~ '^[A-Z]{{3}}$'", name=f"{column}_iso_4217")


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def tenant_key(column: str, table: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key that cannot point into another organization."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{table}.organization_id", f"{table}.id"], ondelete=ondelete
    )


def member_key(column: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key to a member of the row's own organization."""
    return ForeignKeyConstraint(
        ["organization_id", column],
        ["members.organization_id", "members.user_id"],
        ondelete=ondelete,
    )
