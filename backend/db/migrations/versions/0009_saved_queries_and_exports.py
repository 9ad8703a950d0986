"""Queries that people keep, and files that were made of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backend.db.migrations.security import secure_tenant_table, touch_trigger

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TENANT = ("saved_queries", "exports")

# Before the foreign key makes them nobody's: then they would be in nobody's sight for ever.
PRIVATE_QUERIES = [
    """CREATE FUNCTION remove_private_queries() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM saved_queries q
        WHERE q.organization_id = OLD.organization_id AND q.owner_id = OLD.user_id
          AND NOT q.shared;
        RETURN OLD;
    END $$""",
    """CREATE TRIGGER remove_private_queries BEFORE DELETE ON members
    FOR EACH ROW EXECUTE FUNCTION remove_private_queries()""",
]


def upgrade() -> None:
    op.create_table(
        "saved_queries",
        *_tenant(),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("spec_version", sa.Integer(), nullable=False),
        sa.Column("shared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *_stamps(),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_saved_queries_organization_id_owner_id_members"),
            ondelete="SET NULL (owner_id)",
        ),
        *_of_organization("saved_queries"),
    )
    op.create_index(
        "uq_saved_queries_name",
        "saved_queries",
        ["organization_id", "owner_id", sa.text("lower(name)")],
        unique=True,
    )
    op.create_index("ix_saved_queries_name", "saved_queries", ["organization_id", "name", "id"])
    op.create_table(
        "exports",
        *_tenant(),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("api_token_id", sa.Uuid(), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("rights", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column("generation", sa.String(length=100), nullable=True),
        _instant("as_of"),
        sa.Column("rows_written", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _instant("started_at"),
        _instant("finished_at"),
        _instant("expires_at"),
        *_stamps(),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired')",
            name=op.f("ck_exports_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "requested_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_exports_organization_id_requested_by_members"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "api_token_id"],
            ["api_tokens.organization_id", "api_tokens.id"],
            name=op.f("fk_exports_organization_id_api_token_id_api_tokens"),
            ondelete="CASCADE",
        ),
        *_of_organization("exports"),
    )
    op.create_index("ix_exports_requested_by", "exports", ["organization_id", "requested_by", "id"])
    op.create_index("ix_exports_status", "exports", ["organization_id", "status"])
    for statement in (
        *(s for table in TENANT for s in secure_tenant_table(table)),
        *(touch_trigger(table, "touch_updated_at") for table in TENANT),
        *PRIVATE_QUERIES,
    ):
        op.execute(statement)


def _tenant() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
    ]


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _stamps() -> list[sa.Column[object]]:
    return [
        sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
        for name in ("created_at", "updated_at")
    ]


def _of_organization(table: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f(f"fk_{table}_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f(f"pk_{table}")),
    ]


def downgrade() -> None:
    raise NotImplementedError("Saved queries only ever move forward.")
