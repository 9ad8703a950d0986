"""Identity: logins with rotating refresh tokens, one-time links, throttling, other providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.db.migrations.identity import (
    FUNCTIONS,
    IDENTITY_ONLY,
    PRIVILEGES,
    identity_function,
    secure_identity_table,
)
from backend.db.migrations.security import secure_tenant_table, touch_trigger

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column("password_reset_requested_at", sa.DateTime(timezone=True), nullable=True),
    )
    _create_login_tables()
    _create_link_tables()
    for statement in (
        *secure_tenant_table("invitations"),
        touch_trigger("invitations", "touch_updated_at"),
        *(s for table in IDENTITY_ONLY for s in secure_identity_table(table)),
        *PRIVILEGES,
        "DROP FUNCTION find_api_token(bytea)",
        *FUNCTIONS.values(),
        *(s for signature in FUNCTIONS for s in identity_function(signature)),
    ):
        op.execute(statement)


def _instant(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable,
        server_default=sa.text("now()") if default else None,
    )


def _create_login_tables() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("ended_at", nullable=True),
        sa.Column("ended_by", sa.String(length=10), nullable=True),
        sa.CheckConstraint(
            "ended_by IN ('logout', 'reuse', 'password')", name=op.f("ck_logins_ended_by_known")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_logins_user_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_logins_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
    )
    op.create_index(op.f("ix_logins_user_id"), "logins", ["user_id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        _instant("created_at"),
        _instant("used_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["login_id"],
            ["logins.id"],
            name=op.f("fk_refresh_tokens_login_id_logins"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(op.f("ix_refresh_tokens_login_id"), "refresh_tokens", ["login_id"])
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("ends_at"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_attempts")),
    )
    op.create_index(op.f("ix_login_attempts_ends_at"), "login_attempts", ["ends_at"])
    op.create_table(
        "external_identities",
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _instant("created_at", default=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_external_identities_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_external_identities")),
        sa.UniqueConstraint(
            "user_id", "issuer", name=op.f("uq_external_identities_user_id_issuer")
        ),
    )


def _create_link_tables() -> None:
    op.create_table(
        "password_resets",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_password_resets_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_password_resets_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_password_resets")),
    )
    op.create_index(op.f("ix_password_resets_user_id"), "password_resets", ["user_id"])
    op.create_table(
        "invitations",
        sa.Column(
            "organization_id",
            sa.Uuid(),
            server_default=sa.text("current_organization()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column(
            "approval_level", sa.String(length=20), server_default="automatic", nullable=False
        ),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        _instant("expires_at"),
        _instant("accepted_at", nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        _instant("revoked_at", nullable=True),
        _instant("created_at", default=True),
        _instant("updated_at", default=True),
        sa.CheckConstraint(
            "approval_level IN ('automatic', 'manager', 'director', 'executive')",
            name=op.f("ck_invitations_approval_level_known"),
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'manager', 'analyst', 'member', 'viewer')",
            name=op.f("ck_invitations_role_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "created_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_invitations_organization_id_created_by_members"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "accepted_by"],
            ["members.organization_id", "members.user_id"],
            name=op.f("fk_invitations_organization_id_accepted_by_members"),
            ondelete="SET NULL (accepted_by)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_invitations_organization_id_organizations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(
        "uq_invitations_open",
        "invitations",
        ["organization_id", sa.text("lower(email)")],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("Logins and links cannot be had back; restore a backup instead.")
