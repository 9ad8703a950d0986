"""What is gone leaves its key behind, so that an incremental refresh takes it out of the marts.

An insert and an update leave `changed_xid` on the row; a row that is deleted, or moved to another
parent, has nowhere to leave it. Written by triggers, since cascades delete as well; as the owner,
since a cascade runs in no organization's context.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Buried:
    """What a deleted row of `table` leaves: the `kind` of what was changed, and its key.

    The key is either an id or a date; `column` holds it.
    """

    table: str
    kind: str
    column: str

    @property
    def target(self) -> str:
        return "date" if self.kind == "rate" else "key"


# A transaction's parts are read again with it, so the transaction is what they name.
_BURIED = (
    _Buried("transactions", "transaction", "id"),
    _Buried("transaction_splits", "transaction", "transaction_id"),
    _Buried("transaction_tags", "transaction", "transaction_id"),
    _Buried("budget_attributions", "transaction", "transaction_id"),
    _Buried("budget_attributions", "cloud_cost", "cloud_cost_id"),
    _Buried("cloud_costs", "cloud_cost", "id"),
    _Buried("balance_snapshots", "account", "account_id"),
    _Buried("fx_rates", "rate", "date"),
)

_AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"


def _name(buried: _Buried, event: str) -> str:
    return f"{event}_{buried.table}_{buried.column}"


def _on_delete(buried: _Buried) -> list[str]:
    name = _name(buried, "bury")
    return [
        f"""CREATE FUNCTION {name}() RETURNS trigger {_AS_OWNER} AS $$
        BEGIN
            INSERT INTO tombstones (organization_id, kind, {buried.target})
            SELECT DISTINCT organization_id, '{buried.kind}', {buried.column}
            FROM gone_rows WHERE {buried.column} IS NOT NULL;
            RETURN NULL;
        END $$""",
        f"""CREATE TRIGGER {name} AFTER DELETE ON {buried.table}
        REFERENCING OLD TABLE AS gone_rows
        FOR EACH STATEMENT EXECUTE FUNCTION {name}()""",
        f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC",
    ]


def _on_move(buried: _Buried) -> list[str]:
    name = _name(buried, "leave")
    return [
        f"""CREATE FUNCTION {name}() RETURNS trigger {_AS_OWNER} AS $$
        BEGIN
            INSERT INTO tombstones (organization_id, kind, {buried.target})
            VALUES (OLD.organization_id, '{buried.kind}', OLD.{buried.column});
            RETURN NULL;
        END $$""",
        f"""CREATE TRIGGER {name} AFTER UPDATE OF {buried.column} ON {buried.table}
        FOR EACH ROW WHEN (OLD.{buried.column} IS NOT NULL
            AND OLD.{buried.column} IS DISTINCT FROM NEW.{buried.column})
        EXECUTE FUNCTION {name}()""",
        f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC",
    ]


TOMBSTONES = [
    # Nobody but the triggers writes here, and nobody but the extract reads.
    "REVOKE ALL ON tombstones FROM outlay_app",
    "CREATE POLICY bury ON tombstones TO outlay_owner USING (true) WITH CHECK (true)",
    *(statement for buried in _BURIED for statement in (*_on_delete(buried), *_on_move(buried))),
    # A row of the kind `everything` says that what was deleted up to its transaction is no longer
    # known: whoever has not read that far must read everything.
    f"""CREATE FUNCTION forget_tombstones(older_than interval) RETURNS bigint {_AS_OWNER} AS $$
    DECLARE
        horizon xid8;
        forgotten bigint;
    BEGIN
        SELECT max(changed_xid) INTO horizon FROM tombstones WHERE buried_at < now() - older_than;
        DELETE FROM tombstones WHERE changed_xid <= horizon;
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        IF forgotten > 0 THEN
            INSERT INTO tombstones (organization_id, kind, changed_xid, buried_at)
            VALUES ('00000000-0000-0000-0000-000000000000', 'everything', horizon, now());
        END IF;
        RETURN forgotten;
    END $$""",
    "REVOKE ALL ON FUNCTION forget_tombstones(interval) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION forget_tombstones(interval) TO outlay_app",
]
