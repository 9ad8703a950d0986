"""The datasets of one generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from backend.errors import NotFound, did_you_mean
from backend.warehouse.datasets import Dataset, load_datasets
from backend.warehouse.manifest import MARTS

_COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE schema_name = $schema AND NOT internal ORDER BY table_name, column_index
"""


def inspect(path: Path) -> dict[str, dict[str, str]]:
    """The tables of a built file's marts: table -> column -> DuckDB type."""
    with duckdb.connect(path, read_only=True) as connection:
        return columns_of(connection)


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for table, column, type_ in connection.execute(_COLUMNS, {"schema": MARTS}).fetchall():
        tables.setdefault(table, {})[column] = type_
    return tables


def load_registry(manifest: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, Dataset]:
    """Raises DatasetError when the metadata and the tables of a generation do not agree."""
    return load_datasets(manifest, columns_of(connection))


def find_dataset(datasets: Mapping[str, Dataset], identity: str) -> Dataset:
    dataset = datasets.get(identity)
    if dataset is None:
        suggestion = did_you_mean(identity, list(datasets))
        raise NotFound(f"There is no dataset {identity[:100]!a}. {suggestion}")
    return dataset
