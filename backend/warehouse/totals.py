"""What PostgreSQL adds up for the reconciliation, beside the tables that are read meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import duckdb
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from backend.warehouse.incremental.carried import CARRIED
from backend.warehouse.incremental.changed_part import ChangedPart
from backend.warehouse.incremental.changed_world import of_changed
from backend.warehouse.source_reader import Moment, join_snapshot
from backend.warehouse.source_totals import SOURCE_TOTALS

TOTALS_TABLE = "source_totals"

_SUM = f"""
CREATE TABLE raw.{TOTALS_TABLE} AS
SELECT fact, organization_id, currency, sum(rows)::BIGINT AS rows,
    sum(amount)::DECIMAL(38, 12) AS amount
FROM parts GROUP BY ALL
"""  # noqa: S608  # a constant


def read_totals(url: str, moment: Moment, part: ChangedPart | str) -> dict[str, pa.Table]:
    """By mart, in the snapshot of `moment`, which is still held; of a part, what changed.

    On a connection of its own: PostgreSQL adds up while it sends the tables on another.
    """
    found = {}
    with closing(dbapi.connect(url, autocommit=True)) as source, source.cursor() as cursor:
        join_snapshot(cursor, moment)
        if isinstance(part, ChangedPart):
            part.plan_for_few(cursor)
        for mart, query in SOURCE_TOTALS.items():
            if isinstance(part, ChangedPart) and mart in CARRIED:
                cursor.execute(of_changed(query), tuple(part.parameters))
            else:
                cursor.execute(query)
            found[mart] = cursor.fetch_arrow_table()
        cursor.execute("COMMIT")
    return found


def store_totals(
    target: duckdb.DuckDBPyConnection, totals: Mapping[str, pa.Table], part: ChangedPart | str
) -> int:
    """With what the unchanged rest of the base amounts to, where `totals` are of a part."""
    target.execute(
        "CREATE TEMP TABLE parts (fact VARCHAR, organization_id UUID, currency VARCHAR, "
        "rows BIGINT, amount DECIMAL(38, 12))"
    )
    for mart, added_up in totals.items():
        fact = f"concat_ws('.', '{mart}', measure) AS fact, * EXCLUDE (measure)"
        statement = f"INSERT INTO parts BY NAME SELECT {fact} FROM "  # noqa: S608  # constants
        target.register("added_up", added_up)
        target.execute(f"{statement} added_up")
        target.unregister("added_up")
        if isinstance(part, ChangedPart) and mart in CARRIED:
            target.execute(f"{statement} ({CARRIED[mart]})")
    target.execute(_SUM)
    (stored,) = target.execute(f"SELECT count(*) FROM raw.{TOTALS_TABLE}").fetchone() or (0,)  # noqa: S608  # a constant
    return int(stored)
