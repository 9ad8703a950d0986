"""Logins, one-time links and throttling: the SQL of what happens before an organization is known.

The tables below are the identity role's alone; the application reaches them through functions that
each do one thing. Every instant comes from the caller (`at`), so that one clock decides.
"""

from __future__ import annotations

IDENTITY_ONLY = (
    "logins",
    "refresh_tokens",
    "password_resets",
    "login_attempts",
    "external_identities",
)


def secure_identity_table(table: str) -> list[str]:
    """Statements that leave `table` to the identity functions alone."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY identity ON {table} TO outlay_identity USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO outlay_identity",
    ]


def identity_function(signature: str) -> list[str]:
    """Statements that let the application call a function as the identity role, and nobody else.

    It is given away last: a REVOKE by who does not own it any more would do nothing but warn.
    """
    return [
        f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {signature} TO outlay_app",
        f"ALTER FUNCTION {signature} OWNER TO outlay_identity",
    ]


PRIVILEGES = [
    "GRANT UPDATE (name, password_hash, password_reset_requested_at) ON users TO outlay_identity",
    """CREATE POLICY identity_change ON users FOR UPDATE TO outlay_identity
        USING (true) WITH CHECK (true)""",
    "GRANT SELECT (password_reset_requested_at) ON users TO outlay_app",
    "GRANT INSERT ON members TO outlay_identity",
    "CREATE POLICY identity_join ON members FOR INSERT TO outlay_identity WITH CHECK (true)",
    "GRANT SELECT, UPDATE ON invitations TO outlay_identity",
    "CREATE POLICY identity ON invitations TO outlay_identity USING (true) WITH CHECK (true)",
    # The marts have no use for what opens doors.
    "REVOKE SELECT ON api_tokens, invitations FROM outlay_extract",
    # Access tokens of a login that ends are felt to end at once.
    """CREATE TRIGGER notify_scope AFTER UPDATE OF ended_at ON logins
        FOR EACH ROW EXECUTE FUNCTION notify_scope('user_id')""",
]

LOGIN_FUNCTIONS = {
    "start_login(uuid, uuid, bytea, timestamptz, timestamptz)": """
    CREATE FUNCTION start_login(
        member uuid, organization uuid, hash bytea, at timestamptz, until timestamptz)
    RETURNS uuid LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        DELETE FROM logins l WHERE l.user_id = member AND l.expires_at <= at;
        WITH started AS (
            INSERT INTO logins (user_id, organization_id, created_at, expires_at)
            VALUES (member, organization, at, until)
            RETURNING id
        )
        INSERT INTO refresh_tokens (token_hash, login_id, created_at)
        SELECT hash, s.id, at FROM started s
        RETURNING login_id;
    END""",
    # Of two refreshes with one token the second waits for the first and then finds it used. A used
    # token that comes back was copied: nobody can tell by whom, so the whole login ends.
    "rotate_refresh_token(bytea, bytea, timestamptz)": """
    CREATE FUNCTION rotate_refresh_token(old bytea, new bytea, at timestamptz)
    RETURNS TABLE (login_id uuid, user_id uuid, organization_id uuid, expires_at timestamptz,
        reused boolean)
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        WITH spent AS (
            UPDATE refresh_tokens t SET used_at = at
            FROM logins l
            WHERE t.token_hash = old AND t.used_at IS NULL
              AND l.id = t.login_id AND l.ended_at IS NULL AND l.expires_at > at
            RETURNING l.id, l.user_id, l.organization_id, l.expires_at
        ), issued AS (
            INSERT INTO refresh_tokens (token_hash, login_id, created_at)
            SELECT new, s.id, at FROM spent s
        ), ended AS (
            UPDATE logins l SET ended_at = at, ended_by = 'reuse'
            FROM refresh_tokens t
            WHERE t.token_hash = old AND l.id = t.login_id
              AND l.ended_at IS NULL AND l.expires_at > at AND NOT EXISTS (SELECT FROM spent)
            RETURNING l.id, l.user_id, l.organization_id, l.expires_at
        )
        SELECT s.id, s.user_id, s.organization_id, s.expires_at, false FROM spent s
        UNION ALL
        SELECT e.id, e.user_id, e.organization_id, e.expires_at, true FROM ended e;
    END""",
    "end_login(bytea, timestamptz)": """
    CREATE FUNCTION end_login(hash bytea, at timestamptz)
    RETURNS TABLE (login_id uuid, user_id uuid, organization_id uuid)
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE logins l SET ended_at = at, ended_by = 'logout'
        FROM refresh_tokens t
        WHERE t.token_hash = hash AND l.id = t.login_id AND l.ended_at IS NULL
        RETURNING l.id, l.user_id, l.organization_id;
    END""",
    "login_is_open(uuid)": """
    CREATE FUNCTION login_is_open(login uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT EXISTS (SELECT FROM logins l WHERE l.id = login AND l.ended_at IS NULL);
    END""",
}

# An attempt is counted before the password is looked at, so that a thousand at once all count.
THROTTLE_FUNCTIONS = {
    "count_attempts(bytea[], timestamptz, interval)": """
    CREATE FUNCTION count_attempts(attempt_keys bytea[], at timestamptz, span interval)
    RETURNS TABLE (key bytea, attempts integer, ends_at timestamptz)
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        DELETE FROM login_attempts a WHERE a.key IN (
            SELECT old.key FROM login_attempts old
            WHERE old.ends_at <= at AND old.key <> ALL (attempt_keys)
            LIMIT 10 FOR UPDATE SKIP LOCKED);
        INSERT INTO login_attempts AS a (key, attempts, ends_at)
        SELECT k, 1, at + span FROM unnest(attempt_keys) AS k ORDER BY k
        ON CONFLICT (key) DO UPDATE SET
            attempts = CASE WHEN a.ends_at <= at THEN 1 ELSE a.attempts + 1 END,
            ends_at = CASE WHEN a.ends_at <= at THEN excluded.ends_at ELSE a.ends_at END
        RETURNING a.key, a.attempts, a.ends_at;
    END""",
    "forgive_attempts(bytea, bytea)": """
    CREATE FUNCTION forgive_attempts(account_key bytea, address_key bytea) RETURNS void
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        DELETE FROM login_attempts a WHERE a.key = account_key;
        UPDATE login_attempts a SET attempts = greatest(a.attempts - 1, 0)
        WHERE a.key = address_key;
    END""",
}

PASSWORD_FUNCTIONS = {
    "set_password(uuid, text, timestamptz)": """
    CREATE FUNCTION set_password(member uuid, hash text, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE users u SET password_hash = hash, password_reset_requested_at = NULL
        WHERE u.id = member;
        UPDATE logins l SET ended_at = at, ended_by = 'password'
        WHERE l.user_id = member AND l.ended_at IS NULL;
        DELETE FROM password_resets r WHERE r.user_id = member AND r.used_at IS NULL;
    END""",
    # The same password under newer parameters: it must not undo a change made meanwhile.
    "rehash_password(uuid, text, text)": """
    CREATE FUNCTION rehash_password(member uuid, old_hash text, new_hash text) RETURNS void
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE users u SET password_hash = new_hash
        WHERE u.id = member AND u.password_hash = old_hash;
    END""",
    "request_password_reset(text, timestamptz)": """
    CREATE FUNCTION request_password_reset(login_email text, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE users u SET password_reset_requested_at = at
        WHERE lower(u.email) = lower(login_email) AND u.active;
    END""",
    "create_password_reset(bytea, uuid, uuid, timestamptz, timestamptz)": """
    CREATE FUNCTION create_password_reset(
        hash bytea, member uuid, organization uuid, at timestamptz, until timestamptz)
    RETURNS void LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        DELETE FROM password_resets r WHERE r.user_id = member AND r.used_at IS NULL;
        INSERT INTO password_resets (token_hash, user_id, organization_id, created_at, expires_at)
        VALUES (hash, member, organization, at, until);
    END""",
    # A link that an administrator made opens their own organization only: it is void once the user
    # belongs to another one as well.
    "spend_password_reset(bytea, timestamptz)": """
    CREATE FUNCTION spend_password_reset(hash bytea, at timestamptz) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE password_resets r SET used_at = at
        FROM users u
        WHERE r.token_hash = hash AND r.used_at IS NULL AND r.expires_at > at
          AND u.id = r.user_id AND u.active
          AND (r.organization_id IS NULL OR NOT EXISTS (
            SELECT FROM members m
            WHERE m.user_id = r.user_id AND m.organization_id <> r.organization_id))
        RETURNING r.user_id;
    END""",
}

INVITATION_FUNCTIONS = {
    "find_invitation(bytea, timestamptz)": """
    CREATE FUNCTION find_invitation(hash bytea, at timestamptz)
    RETURNS TABLE (organization_id uuid, organization_name text, email text, role text,
        expires_at timestamptz, user_exists boolean)
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT i.organization_id, o.name, i.email, i.role, i.expires_at,
            EXISTS (SELECT FROM users u WHERE lower(u.email) = lower(i.email))
        FROM invitations i
        JOIN organizations o ON o.id = i.organization_id
        WHERE i.token_hash = hash AND i.accepted_at IS NULL AND i.revoked_at IS NULL
          AND i.expires_at > at;
    END""",
    # Of many who accept one invitation at once, one finds it open.
    "accept_invitation(bytea, uuid, timestamptz)": """
    CREATE FUNCTION accept_invitation(hash bytea, member uuid, at timestamptz)
    RETURNS TABLE (invitation_id uuid, organization_id uuid)
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        WITH taken AS (
            UPDATE invitations i SET accepted_at = at, accepted_by = member
            FROM users u
            WHERE i.token_hash = hash AND i.accepted_at IS NULL AND i.revoked_at IS NULL
              AND i.expires_at > at
              AND u.id = member AND u.active AND lower(u.email) = lower(i.email)
            RETURNING i.id, i.organization_id, i.role, i.approval_level
        ), joined AS (
            INSERT INTO members (organization_id, user_id, role, approval_level)
            SELECT t.organization_id, member, t.role, t.approval_level FROM taken t
            ON CONFLICT DO NOTHING
        )
        SELECT t.id, t.organization_id FROM taken t;
    END""",
}

USER_FUNCTIONS = {
    "rename_user(uuid, text)": """
    CREATE FUNCTION rename_user(member uuid, new_name text) RETURNS void
    LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        UPDATE users u SET name = new_name WHERE u.id = member;
    END""",
    "find_external_user(text, text)": """
    CREATE FUNCTION find_external_user(issued_by text, known_as text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT e.user_id FROM external_identities e
        JOIN users u ON u.id = e.user_id AND u.active
        WHERE e.issuer = issued_by AND e.subject = known_as;
    END""",
    # By address once; from then on by subject, so that a recycled address opens nothing.
    "link_external_user(text, text, text)": """
    CREATE FUNCTION link_external_user(issued_by text, known_as text, verified_email text)
    RETURNS uuid LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
        INSERT INTO external_identities (issuer, subject, user_id)
        SELECT issued_by, known_as, u.id FROM users u
        WHERE lower(u.email) = lower(verified_email) AND u.active
        ON CONFLICT DO NOTHING
        RETURNING user_id;
    END""",
}

# As it was, and the token's own id besides.
FIND_API_TOKEN = {
    "find_api_token(bytea)": """
    CREATE FUNCTION find_api_token(hash bytea)
    RETURNS TABLE (id uuid, organization_id uuid, user_id uuid, scopes text[],
        expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
        SELECT t.id, t.organization_id, t.user_id, t.scopes, t.expires_at
        FROM api_tokens t
        WHERE t.token_hash = hash AND t.revoked_at IS NULL
          AND (t.expires_at IS NULL OR t.expires_at > now());
    END""",
}

FUNCTIONS = (
    LOGIN_FUNCTIONS
    | THROTTLE_FUNCTIONS
    | PASSWORD_FUNCTIONS
    | INVITATION_FUNCTIONS
    | USER_FUNCTIONS
    | FIND_API_TOKEN
)
