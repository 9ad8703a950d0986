"""What an incremental refresh reads: of what is large, the part that changed since the base."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from adbc_driver_manager.dbapi import Cursor

from backend.warehouse.incremental.base import Base, is_large
from backend.warehouse.incremental.changed_keys import read_changed_keys
from backend.warehouse.incremental.changed_units import (
    find_changed_units,
    lines_of_base,
    lost_organizations,
)
from backend.warehouse.incremental.changed_world import of_changed, units
from backend.warehouse.source_queries import SourceTable
from backend.warehouse.source_reader import Parameters, copy_table


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """How many units are made anew, and the units as parameters of the queries for them."""

    days: int
    accounts: int
    parameters: Parameters

    def plan_for_few(self, cursor: Cursor) -> None:
        """The changed units are few and known by their keys: as the planner cannot know."""
        cursor.execute("SET LOCAL enable_nestloop = on")

    def copy(self, cursor: Cursor, target: duckdb.DuckDBPyConnection, table: SourceTable) -> int:
        query = of_changed(table.query)
        return copy_table(cursor, target, table, query=query, parameters=self.parameters)


def find_changed_part(
    cursor: Cursor, target: duckdb.DuckDBPyConnection, base: Base
) -> ChangedPart | str:
    """Look up what changed since `base`, which is attached then; or say why all is to be read.

    `target` has the small tables of this snapshot. The units are left in the schema `changed`.
    """
    target.execute(f"ATTACH {_quoted(str(base.database))} AS base (READ_ONLY)")
    read_changed_keys(cursor, target, base.snapshot)
    if lost_organizations(target):
        return "An organization was erased."
    find_changed_units(target)
    days, accounts = (
        target.table(f"changed.{unit}").count("*").fetchall()[0][0] for unit in ("days", "accounts")
    )
    if is_large(*lines_of_base(target)):
        target.execute("DROP SCHEMA changed CASCADE")
        return "Too much has changed since the current generation."
    part = ChangedPart(days, accounts, units(target))
    part.plan_for_few(cursor)
    return part


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
