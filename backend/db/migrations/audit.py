"""The audit's tables as PostgreSQL guards them: what is written of a change stays as it is.

Entries have no policy for UPDATE or DELETE, so under FORCE not even their owner can do either.
"""

from __future__ import annotations

# Equal states have one text as jsonb, whatever the order and spacing they came in.
AUDIT_DIGEST = """
CREATE FUNCTION audit_digest(salt bytea, before jsonb, after jsonb) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(salt || convert_to(
    '{"before": ' || coalesce(before::text, 'null')
    || ', "after": ' || coalesce(after::text, 'null') || '}', 'UTF8'))
"""

_OWN = "organization_id = current_organization()"


def secure_append_only_table(table: str, columns: str, *, erasable: bool = False) -> list[str]:
    """The application appends to `columns` and reads; the others' values are PostgreSQL's own."""
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} FOR SELECT TO outlay_app USING ({_OWN})",
        f"CREATE POLICY append ON {table} FOR INSERT TO outlay_app WITH CHECK ({_OWN})",
        f"CREATE POLICY extract ON {table} FOR SELECT TO outlay_extract USING (true)",
        f"GRANT SELECT, INSERT ({columns}) ON {table} TO outlay_app",
        f"GRANT SELECT ON {table} TO outlay_extract",
    ]
    if erasable:
        statements += [
            f"CREATE POLICY erase ON {table} FOR DELETE TO outlay_app USING ({_OWN})",
            f"GRANT DELETE ON {table} TO outlay_app",
        ]
    return statements


SECURE_AUDIT = [
    *secure_append_only_table(
        "audit_entries", "id, actor, request_id, action, object_type, object_id, digest"
    ),
    *secure_append_only_table("audit_payloads", "entry_id, salt, before, after", erasable=True),
]
