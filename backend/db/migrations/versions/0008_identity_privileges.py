"""Nobody but the application calls the identity functions, as was meant from the start.

Databases of earlier versions let every role call them: they were given away before the REVOKE,
which then did nothing but warn.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CLOSE = """
DO $$ DECLARE called regprocedure; BEGIN
    FOR called IN
        SELECT p.oid FROM pg_proc p WHERE p.prosecdef AND p.proowner = 'outlay_identity'::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO outlay_app', called);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL ROLE outlay_identity")  # only an owner's REVOKE has an effect
    op.execute(_CLOSE)
    op.execute("RESET ROLE")


def downgrade() -> None:
    raise NotImplementedError("What was closed stays closed.")
