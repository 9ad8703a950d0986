"""What a generation knows of itself, by organization: its reconciliation, and rows by mart.

It lies in the generation's own file, in a schema apart from the marts, so that no dataset can be
made of it and it is as immutable as they are. Everything here is of one organization, which every
reader has to name; the values are bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from backend.warehouse.generation import DATABASE
from backend.warehouse.manifest import MARTS
from backend.warehouse.reconcile import Comparison

SCHEMA = "checks"

_ARROW = pa.schema(
    {
        "fact": pa.string(),
        "organization_id": pa.string(),
        "currency": pa.string(),
        "source_rows": pa.int64(),
        "mart_rows": pa.int64(),
        "source_amount": pa.decimal128(38, 12),
        "mart_amount": pa.decimal128(38, 12),
    }
)
_CREATE = f"""
CREATE OR REPLACE TABLE {SCHEMA}.reconciliation (
    fact VARCHAR, organization_id UUID, currency VARCHAR, source_rows BIGINT, mart_rows BIGINT,
    source_amount DECIMAL(38, 12), mart_amount DECIMAL(38, 12)
)
"""
_RECONCILIATION = f"""
SELECT {", ".join(_ARROW.names)} FROM generation.{SCHEMA}.reconciliation
WHERE organization_id = $organization ORDER BY fact, currency NULLS FIRST
"""  # noqa: S608  # constants
_ROWS = f"""
SELECT mart, rows FROM generation.{SCHEMA}.mart_rows
WHERE organization_id = $organization ORDER BY mart
"""  # noqa: S608  # constants
_TENANTS_MARTS = """
SELECT table_name FROM duckdb_columns()
WHERE schema_name = $schema AND column_name = 'organization_id' AND NOT internal
ORDER BY table_name
"""


class NoChecks(Exception):
    """The generation cannot be read, or was built before it kept what is asked for."""


def store_checks(database: Path, comparisons: Sequence[Comparison]) -> None:
    """Write both into a built file that nobody reads yet; done again, it is replaced."""
    with duckdb.connect(database) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(_CREATE)
        connection.register("compared", _as_arrow(comparisons))
        connection.execute(
            f"INSERT INTO {SCHEMA}.reconciliation FROM compared ORDER BY organization_id, fact"
        )
        marts = [m for (m,) in connection.execute(_TENANTS_MARTS, {"schema": MARTS}).fetchall()]
        counts = " UNION ALL ".join(_count(mart) for mart in marts)
        connection.execute(
            f"CREATE OR REPLACE TABLE {SCHEMA}.mart_rows AS "  # noqa: S608  # see _count
            f"SELECT * FROM ({counts}) ORDER BY organization_id, mart"
        )


def reconciliation_of(folder: Path, organization_id: UUID) -> list[Comparison]:
    """Of one organization in the published generation `folder`. Raises NoChecks."""
    return [Comparison(*row) for row in _read(folder, _RECONCILIATION, organization_id)]


def mart_rows_of(folder: Path, organization_id: UUID) -> dict[str, int]:
    """How many rows each mart has of one organization; a mart without any is left out."""
    return dict(_read(folder, _ROWS, organization_id))


def _read(folder: Path, query: str, organization_id: UUID) -> list[tuple[Any, ...]]:
    try:
        with _attached(folder / DATABASE) as connection:
            return connection.execute(query, {"organization": organization_id}).fetchall()
    except duckdb.Error as error:
        raise NoChecks(f"{folder.name}: {error}") from error


def _as_arrow(comparisons: Sequence[Comparison]) -> pa.Table:
    """Row by row it would take a millisecond each."""
    rows = [asdict(c) | {"organization_id": str(c.organization_id)} for c in comparisons]
    return pa.Table.from_pylist(rows, _ARROW)


def _count(mart: str) -> str:
    # Names that the file's own catalogue gave; none of them comes from a caller.
    return (
        f"SELECT '{mart}' AS mart, organization_id, count(*) AS rows "  # noqa: S608
        f'FROM {MARTS}."{mart}" GROUP BY organization_id'
    )


@contextmanager
def _attached(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Beside whoever else reads the file in this process, with whatever settings."""
    escaped = str(database).replace("'", "''")
    with duckdb.connect(config={"threads": 1, "memory_limit": "200MB"}) as connection:
        connection.execute(f"ATTACH '{escaped}' AS generation (READ_ONLY)")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
