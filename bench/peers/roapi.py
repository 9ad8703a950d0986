"""ROAPI over Parquet that is sorted by person and date.

A table in its memory and row groups of 16,384 to a million rows, with and without a page index,
were slower than DuckDB's own Parquet read from the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import duckdb
import httpx

from backend.cli.ports import free_port
from bench.load import Call
from bench.peers.peer import CATEGORIES, events

_ROWS = """
SELECT * FROM events WHERE owner_id = '{me}' ORDER BY cost_date, cost_event_id LIMIT 1000
"""
_GROUPS = """
SELECT date_trunc('month', cost_date) AS month, name, currency, sum(amount) AS total_cost,
    count(*) AS events
FROM events LEFT JOIN categories ON events.category_id = categories.category_id
WHERE owner_id = '{me}' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class Roapi:
    name = "roapi"
    version = "0.12.7"
    ready = "/health"

    def prepare(self, world: Path, folder: Path) -> None:
        with duckdb.connect(world, read_only=True) as connection:
            for table, select in (("events", events()), ("categories", CATEGORIES)):
                connection.sql(select).write_parquet(str(folder / f"{table}.parquet"))

    def command(self, programs: Path, folder: Path, port: int) -> Sequence[str | Path]:
        configuration = folder / "roapi.yml"  # JSON is YAML too
        addresses = {"http": port, "postgres": free_port(), "flight_sql": free_port()}
        tables = {"events": False, "categories": True}
        written = {
            "addr": {name: f"127.0.0.1:{number}" for name, number in addresses.items()},
            "tables": [
                {
                    "name": name,
                    "uri": str(folder / f"{name}.parquet"),
                    "option": {"format": "parquet", "use_memory_table": in_memory},
                }
                for name, in_memory in tables.items()
            ],
        }
        configuration.write_text(json.dumps(written))
        return [programs / self.name, "--config", configuration]

    def rows(self, url: str, person: UUID) -> Mapping[str, Call]:
        page = {
            "filter[owner_id]": f"'{person}'",
            "sort": "cost_date,cost_event_id",
            "limit": "1000",
        }
        return {
            "REST": Call(f"{url}/api/tables/events?{httpx.QueryParams(page)}", {}),
            "SQL": _sql(url, _ROWS, person),
        }

    def groups(self, url: str, person: UUID) -> Mapping[str, Call]:
        return {"SQL": _sql(url, _GROUPS, person)}


def _sql(url: str, sql: str, person: UUID) -> Call:
    return Call(f"{url}/api/sql", {}, "POST", sql.format(me=person).strip())
