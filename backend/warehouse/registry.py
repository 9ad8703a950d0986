"""The datasets of one generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from backend.errors import NotFound, did_you_mean
from backend.warehouse.datasets import Dataset, load_datasets
from backend.warehouse.manifest import MARTS, MARTS_BY_DATE

_COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE schema_name = $schema AND NOT internal ORDER BY table_name, column_index
"""


def columns_of(
    connection: duckdb.DuckDBPyConnection, schema: str = MARTS
) -> dict[str, dict[str, str]]:
    """The tables of a built file's marts: table -> column -> DuckDB type."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, type_ in connection.execute(_COLUMNS, {"schema": schema}).fetchall():
        tables.setdefault(table, {})[column] = type_
    return tables


def load_registry(manifest: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, Dataset]:
    """Raises DatasetError when the metadata and the tables of a generation do not agree."""
    copies = columns_of(connection, MARTS_BY_DATE)
    return load_datasets(manifest, columns_of(connection), copies)


def find_dataset(datasets: Mapping[str, Dataset], identity: str) -> Dataset:
    dataset = datasets.get(identity)
    if dataset is None:
        suggestion = did_you_mean(identity, list(datasets))
        raise NotFound(f"There is no dataset {identity[:100]!a}. {suggestion}")
    return dataset
