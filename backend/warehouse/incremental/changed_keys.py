"""What PostgreSQL has written since a snapshot: keys of rows that came, changed or went.

`changed_xid >= xmin` of that snapshot holds for every row that it did not see, also of transactions
that began before it and committed after it. Some that it did see are named too: no harm.
"""

from __future__ import annotations

import duckdb
from adbc_driver_manager.dbapi import Cursor

from backend.warehouse.source_reader import insert

_SINCE = "changed_xid >= pg_snapshot_xmin($1::text::pg_snapshot)"


def _tombstones(kind: str, column: str = "key") -> str:
    return f"SELECT organization_id, {column} FROM tombstones WHERE kind = '{kind}' AND {_SINCE}"  # noqa: S608  # constants below


def _rows(table: str, *columns: str, where: str = "true") -> str:
    listed = ", ".join(("organization_id", *columns))
    return f"SELECT {listed} FROM {table} WHERE {_SINCE} AND {where}"  # noqa: S608  # constants below


# Each answers (organization_id, key), but `bookings`, which says where lines are now. The parts of
# a transaction (splits, tags, attributions) stand for the transaction.
_KEYS = {
    "transactions": (
        _rows("transactions", "id"),
        _rows("transaction_splits", "transaction_id"),
        _rows("transaction_tags", "transaction_id"),
        _rows("budget_attributions", "transaction_id", where="transaction_id IS NOT NULL"),
        _tombstones("transaction"),
    ),
    "cloud_costs": (
        _rows("cloud_costs", "id"),
        _rows("budget_attributions", "cloud_cost_id", where="cloud_cost_id IS NOT NULL"),
        _tombstones("cloud_cost"),
    ),
    "balances": (_rows("balance_snapshots", "account_id"), _tombstones("account")),
    "rates": (_rows("fx_rates", "date"), _tombstones("rate", "date")),
    "bookings": (
        _rows("transactions", "account_id", "date", where="deleted_at IS NULL"),
        _rows("cloud_costs", "account_id", "cost_date"),
    ),
}
_COLUMNS = {
    "transactions": "organization_id UUID, key UUID",
    "cloud_costs": "organization_id UUID, key UUID",
    "balances": "organization_id UUID, account_id UUID",
    "rates": "organization_id UUID, date DATE",
    "bookings": "organization_id UUID, account_id UUID, date DATE",
}

FORGOTTEN = f"SELECT EXISTS (SELECT FROM tombstones WHERE kind = 'everything' AND {_SINCE})"  # noqa: S608  # a constant


def read_changed_keys(cursor: Cursor, target: duckdb.DuckDBPyConnection, snapshot: str) -> None:
    """Make `keys.*`, in memory, of what was written since `snapshot` (pg_current_snapshot())."""
    target.execute("ATTACH ':memory:' AS keys")
    for name, queries in _KEYS.items():
        target.execute(f"CREATE TABLE keys.{name} ({_COLUMNS[name]})")
        insert(
            cursor,
            target,
            " UNION ".join(queries),
            f"INSERT INTO keys.{name} FROM batches",  # constants above
            parameters=[snapshot],
        )
