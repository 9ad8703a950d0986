"""Datasette over SQLite: the file immutable, an index on person and date, one over the groups."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import duckdb
import httpx

from bench.load import Call
from bench.peers.peer import CATEGORIES, events

_BATCH = 50_000
_ROWS = "SELECT * FROM events WHERE owner_id = :me ORDER BY cost_date, rowid LIMIT 1000"
_GROUPS = """
SELECT substr(cost_date, 1, 7) || '-01' AS month, name, currency, sum(amount) AS total_cost,
    count(*) AS events
FROM events LEFT JOIN categories USING (category_id)
WHERE owner_id = :me GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_INDEXES = (
    # It holds what the groups need, so that they read nothing else.
    "CREATE INDEX by_person ON events (owner_id, cost_date, category_id, currency, amount)",
    "CREATE INDEX by_person_and_date ON events (owner_id, cost_date)",
    "CREATE UNIQUE INDEX category ON categories (category_id)",
    "ANALYZE",
)


class Datasette:
    name = "datasette"
    version = "0.65.5"
    ready = "/-/versions.json"

    def prepare(self, world: Path, folder: Path) -> None:
        with duckdb.connect(world, read_only=True) as source:
            target = sqlite3.connect(folder / "world.db", isolation_level=None)
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            _copy(source, events("VARCHAR"), target, "events")
            _copy(source, CATEGORIES, target, "categories")
            for statement in _INDEXES:
                target.execute(statement)
            target.close()

    def command(self, programs: Path, folder: Path, port: int) -> Sequence[str | Path]:
        settings = {
            "max_returned_rows": 10_000,
            "num_sql_threads": 3,
            "sql_time_limit_ms": 60_000,
            "default_page_size": 1_000,
            "suggest_facets": 0,
            "cache_size_kb": 200_000,
        }
        return [
            *(programs / self.name, "serve", "-i", folder / "world.db", "--port", str(port)),
            *(part for name, value in settings.items() for part in ("--setting", name, str(value))),
        ]

    def rows(self, url: str, person: UUID) -> Mapping[str, Call]:
        light = {"_nocount": "1", "_nofacet": "1", "_nosuggest": "1"}
        page = {"owner_id": str(person), "_sort": "cost_date", "_size": "1000", **light}
        return {
            "table, objects": _get(f"{url}/world/events.json", page | {"_shape": "array"}),
            "table, arrays": _get(f"{url}/world/events.json", page | {"_shape": "arrays"}),
            "SQL, objects": _sql(url, _ROWS, person, "array"),
            "SQL, arrays": _sql(url, _ROWS, person, "arrays"),
        }

    def groups(self, url: str, person: UUID) -> Mapping[str, Call]:
        return {
            "SQL, objects": _sql(url, _GROUPS, person, "array"),
            "SQL, arrays": _sql(url, _GROUPS, person, "arrays"),
        }


def _copy(
    source: duckdb.DuckDBPyConnection, select: str, target: sqlite3.Connection, table: str
) -> None:
    found = source.execute(select)
    names = [column[0] for column in found.description]
    target.execute(f"CREATE TABLE {table} ({', '.join(names)})")  # numbers stay numbers
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' for _ in names)})"
    target.execute("BEGIN")
    while batch := found.fetchmany(_BATCH):
        target.executemany(insert, batch)
    target.execute("COMMIT")


def _get(url: str, parameters: Mapping[str, str]) -> Call:
    return Call(f"{url}?{httpx.QueryParams(parameters)}", {})


def _sql(url: str, sql: str, person: UUID, shape: str) -> Call:
    return _get(f"{url}/world.json", {"sql": sql.strip(), "me": str(person), "_shape": shape})
