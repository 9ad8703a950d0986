"""Tombstones of what was deleted, for the incremental refresh."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db.base import Xid8
from backend.db.migrations.security import secure_tenant_table
from backend.db.migrations.tombstones import TOMBSTONES

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=True),
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column(
            "buried_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('transaction', 'cloud_cost', 'account', 'rate', 'everything')",
            name=op.f("ck_tombstones_kind_known"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_tombstones")),
    )
    for statement in (*secure_tenant_table("tombstones"), *TOMBSTONES):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore a backup instead.")
