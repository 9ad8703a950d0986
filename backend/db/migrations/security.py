"""Row-level security, triggers and the identity functions, as SQL that migrations run.

Every tenant table is FORCEd, so that even its owner sees nothing: `outlay_app` sees the
organization of its transaction's context, `outlay_extract` reads all. No context, no rows.
"""

from __future__ import annotations

CURRENT_ORGANIZATION = """
CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('outlay.organization_id', true), '')::uuid
"""


def secure_tenant_table(table: str, *, key: str = "organization_id") -> list[str]:
    """Statements that put `table` behind the organization's context."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        (
            f"CREATE POLICY tenant ON {table} TO outlay_app "
            f"USING ({key} = current_organization()) WITH CHECK ({key} = current_organization())"
        ),
        f"CREATE POLICY extract ON {table} FOR SELECT TO outlay_extract USING (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO outlay_app",
        f"GRANT SELECT ON {table} TO outlay_extract",
    ]


# People are global; the application sees those of its organization and never a password.
SECURE_USERS = [
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE users FORCE ROW LEVEL SECURITY",
    """CREATE POLICY tenant ON users FOR SELECT TO outlay_app USING (EXISTS (
        SELECT FROM members m
        WHERE m.user_id = users.id AND m.organization_id = current_organization()))""",
    "CREATE POLICY extract ON users FOR SELECT TO outlay_extract USING (true)",
    "GRANT SELECT (id, email, name, active, created_at) ON users TO outlay_app",
    "GRANT SELECT (id, name, active) ON users TO outlay_extract",
]


def touch_trigger(table: str, function: str) -> str:
    return (
        f"CREATE TRIGGER {function} BEFORE UPDATE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


TOUCH_FUNCTIONS = [
    """CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.updated_at := now(); RETURN NEW; END $$""",
    """CREATE FUNCTION touch_changed_xid() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.changed_xid := pg_current_xact_id(); RETURN NEW; END $$""",
]

# Scopes are cached by the API for seconds; this makes a change felt at once. The payload is the
# organization or user whose scopes change. PostgreSQL sends equal payloads of a transaction once.
SCOPE_NOTIFICATIONS = [
    """CREATE FUNCTION notify_scope() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('outlay_scope', to_jsonb(coalesce(NEW, OLD)) ->> TG_ARGV[0]);
        RETURN NULL;
    END $$""",
    *(
        f"CREATE TRIGGER notify_scope AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION notify_scope('{key}')"
        for table, key in (
            ("organizations", "id"),
            ("users", "id"),
            ("members", "organization_id"),
            ("api_tokens", "organization_id"),
            ("account_shares", "organization_id"),
            ("budget_shares", "organization_id"),
        )
    ),
]

# On fresh tables the planner checks a foreign key by scanning an organization's accounts for every
# row, until autovacuum has come by. Only an owner may ANALYZE, so bulk loads ask for it here.
STATISTICS = [
    """CREATE FUNCTION refresh_statistics() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN ANALYZE accounts, budgets, categories, members, tags; END $$""",
    "REVOKE ALL ON FUNCTION refresh_statistics() FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION refresh_statistics() TO outlay_app",
]

# What must happen before an organization is known, and nothing more. The bodies are SQL-standard,
# so their names are bound when they are made and no search_path can turn them.
IDENTITY_FUNCTIONS = [
    "GRANT SELECT ON organizations, members, users, api_tokens TO outlay_identity",
    "GRANT INSERT ON users TO outlay_identity",
    *(
        f"CREATE POLICY identity ON {table} FOR SELECT TO outlay_identity USING (true)"
        for table in ("organizations", "members", "users", "api_tokens")
    ),
    "CREATE POLICY identity_create ON users FOR INSERT TO outlay_identity WITH CHECK (true)",
    """CREATE FUNCTION find_login(login_email text)
    RETURNS TABLE (user_id uuid, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT u.id, u.password_hash FROM users u
        WHERE lower(u.email) = lower(login_email) AND u.active;
    END""",
    """CREATE FUNCTION find_memberships(member_id uuid)
    RETURNS TABLE (organization_id uuid, name text, role text)
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT o.id, o.name, m.role
        FROM members m
        JOIN organizations o ON o.id = m.organization_id
        JOIN users u ON u.id = m.user_id AND u.active
        WHERE m.user_id = member_id
        ORDER BY m.created_at, o.id;
    END""",
    """CREATE FUNCTION find_api_token(hash bytea)
    RETURNS TABLE (organization_id uuid, user_id uuid, scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT t.organization_id, t.user_id, t.scopes, t.expires_at
        FROM api_tokens t
        WHERE t.token_hash = hash AND t.revoked_at IS NULL
          AND (t.expires_at IS NULL OR t.expires_at > now());
    END""",
    """CREATE FUNCTION create_user(user_email text, user_name text, hash text) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        INSERT INTO users (email, name, password_hash) VALUES (user_email, user_name, hash)
        RETURNING id;
    END""",
    *(
        statement
        for signature in (
            "find_login(text)",
            "find_memberships(uuid)",
            "find_api_token(bytea)",
            "create_user(text, text, text)",
        )
        for statement in (
            # Given away last: a REVOKE by who does not own it any more would only warn.
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {signature} TO outlay_app",
            f"ALTER FUNCTION {signature} OWNER TO outlay_identity",
        )
    ),
]
