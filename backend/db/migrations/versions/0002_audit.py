"""The audit's entries and payloads, and the answers kept for idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backend.db.base import Xid8
from backend.db.migrations.audit import AUDIT_DIGEST, SECURE_AUDIT
from backend.db.migrations.security import secure_tenant_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        _organization(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("object_type", sa.String(length=50), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "changed_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_audit_entries")),
    )
    op.create_index(
        "ix_audit_entries_object",
        "audit_entries",
        ["organization_id", "object_type", "object_id", "id"],
        unique=False,
    )
    op.create_table(
        "audit_payloads",
        _organization(),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "entry_id", name=op.f("pk_audit_payloads")),
    )
    op.create_table(
        "idempotency_keys",
        _organization(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_idempotency_keys_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "user_id", "key", name=op.f("pk_idempotency_keys")
        ),
    )
    op.create_index(
        "ix_idempotency_keys_created_at",
        "idempotency_keys",
        ["organization_id", "created_at"],
        unique=False,
    )
    for statement in (AUDIT_DIGEST, *SECURE_AUDIT, *secure_tenant_table("idempotency_keys")):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("What the audit holds is not to be dropped by a migration.")


def _organization() -> sa.Column[object]:
    return sa.Column(
        "organization_id",
        sa.Uuid(),
        server_default=sa.text("current_organization()"),
        nullable=False,
    )
