"""The dbt models run in DuckDB without dbt: what a model comes to, a hundred times a minute.

`test_incremental` shows that dbt itself comes to the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from backend.warehouse.extract import SOURCE_FILE, TARGET_FILE
from tests.warehouse.dbt_runner import run_dbt

# The same for everybody and ever.
_CONSTANT = {"int_calendar", "dim_date"}
_UNITS = {
    "changed_days": ("days", ("organization_id", "account_id", "date")),
    "changed_accounts": ("accounts", ("organization_id", "account_id")),
}


@dataclass(frozen=True, slots=True)
class Model:
    relation: str
    schema: str
    materialized: str
    sql: str
    sql_of_changed: str
    units: tuple[str, tuple[str, ...]] | None
    unit_columns: tuple[str, ...]


def compile_models(folder: Path) -> list[Model]:
    """All models, each after those that it reads. dbt leaves them in `folder`."""
    first = _compiled(folder)
    with duckdb.connect(folder / TARGET_FILE) as connection:
        for node in first.values():  # a table to go on from is what makes a run incremental
            if node["config"]["materialized"] == "incremental":
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{node["schema"]}"')
                connection.execute(f"CREATE TABLE {node['relation_name']} (made BOOLEAN)")
    later = _compiled(folder)
    ordered = TopologicalSorter(
        {name: set(node["depends_on"]["nodes"]) & set(first) for name, node in first.items()}
    ).static_order()
    return [
        _model(first[name], later[name]["compiled_code"])
        for name in ordered
        if first[name]["name"] not in _CONSTANT
    ]


def _compiled(folder: Path) -> dict[str, dict[str, Any]]:
    for file in (SOURCE_FILE, TARGET_FILE):
        duckdb.connect(folder / file).close()
    run_dbt(folder, "compile")
    nodes = json.loads((folder / "target" / "manifest.json").read_text())["nodes"]
    return {name: node for name, node in nodes.items() if node["resource_type"] == "model"}


def _model(node: dict[str, Any], sql_of_changed: str) -> Model:
    config = node["config"]
    return Model(
        relation=node["relation_name"],
        schema=f'"{node["database"]}"."{node["schema"]}"',
        materialized=config["materialized"],
        sql=node["compiled_code"],
        sql_of_changed=sql_of_changed,
        units=_UNITS.get(config.get("incremental_strategy") or ""),
        unit_columns=tuple(config.get("unique_key") or ()),
    )


def run_models(models: list[Model], build_dir: Path) -> None:
    """What `dbt run` makes of the extract in `build_dir` and of the marts that lie there."""
    with duckdb.connect(build_dir / TARGET_FILE) as connection:
        connection.execute(f"ATTACH '{build_dir / SOURCE_FILE}' AS source")
        for model in models:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {model.schema}")
            if model.units is not None and _exists(connection, model.relation):
                _replace(connection, model)
            else:
                kind = "VIEW" if model.materialized == "view" else "TABLE"
                connection.execute(f"CREATE OR REPLACE {kind} {model.relation} AS ({model.sql})")


def _replace(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    assert model.units is not None
    unit, columns = model.units
    same = " AND ".join(
        f"stored.{mine} = units.{theirs}"
        for mine, theirs in zip(model.unit_columns, columns, strict=True)
    )
    connection.execute(f"CREATE TEMP TABLE made AS ({model.sql_of_changed})")
    connection.execute(
        f"DELETE FROM {model.relation} AS stored USING source.changed.{unit} AS units WHERE {same}"
    )
    connection.execute(f"INSERT INTO {model.relation} BY NAME FROM made")
    connection.execute("DROP TABLE made")


def _exists(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    try:
        connection.execute(f"FROM {relation} LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def differences(ours: Path, theirs: Path) -> dict[str, list[tuple[Any, ...]]]:
    """By table, the rows that are in one of the two databases more often than in the other."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{ours}' AS ours (READ_ONLY)")
        connection.execute(f"ATTACH '{theirs}' AS theirs (READ_ONLY)")
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'theirs'"
        ).fetchall()
        assert tables
        found = {}
        for schema, table in tables:
            place = f'"{schema}"."{table}"'
            rows = connection.execute(
                f"SELECT 'ours', * FROM (FROM ours.{place} EXCEPT ALL FROM theirs.{place}) "
                "UNION ALL "
                f"SELECT 'theirs', * FROM (FROM theirs.{place} EXCEPT ALL FROM ours.{place})"
            ).fetchall()
            if rows:
                found[table] = rows
        return found
