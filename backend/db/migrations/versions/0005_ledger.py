"""The ledger: who categorised a transaction, who made a connection, and the lines of spending."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db.migrations.spending import BUDGET_LINES, CONVERTED, SPENT_LINES

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "transactions",
        sa.Column(
            "auto_categorised", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )
    op.add_column("transactions", sa.Column("confidence", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_transactions_confidence_percent"), "transactions", "confidence BETWEEN 0 AND 100"
    )
    op.create_index(
        "ix_transactions_deleted",
        "transactions",
        ["organization_id", "date", "id"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.add_column("connections", sa.Column("created_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_connections_organization_id_created_by_members"),
        "connections",
        "members",
        ["organization_id", "created_by"],
        ["organization_id", "user_id"],
        ondelete="SET NULL (created_by)",
    )
    op.execute(SPENT_LINES)
    op.execute(BUDGET_LINES)
    op.execute(CONVERTED)
    op.execute("GRANT SELECT ON spent_lines TO outlay_app")


def downgrade() -> None:
    raise NotImplementedError("The ledger only ever moves forward.")
