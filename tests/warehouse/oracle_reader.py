"""Rows as a scope may read them, one by one."""

from __future__ import annotations

from typing import Any

from backend.scope import Scope
from backend.warehouse.column_types import ColumnType
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import AccountAccess, BudgetAccess
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.spec import Condition
from tests.warehouse.oracle_rules import (
    WHOLE,
    Row,
    holds,
    may_see,
)


class Reader:
    """The rows that the scope sees and the conditions leave, and the values in them."""

    def __init__(
        self,
        tables: dict[str, list[Row]],
        dataset: Dataset,
        resolved: ResolvedSpec,
        scope: Scope,
    ) -> None:
        self.tables = tables
        self.dataset = dataset
        self.resolved = resolved
        self.spec = resolved.spec
        self.scope = scope
        self.calendar = resolved.calendar

    def kept(self) -> list[Row]:
        """What is seen and what the conditions leave, in the stored order."""
        return [
            row
            for row in self.tables[self.dataset.id]
            if may_see(self.dataset, row, self.scope)
            and all(self.holds(c, row) for _, c in self.resolved.conditions)
        ]

    def shown(self, row: Row, name: str) -> Any:
        dataset, column, found = self.reach(row, name)
        if column in dataset.access.restricted_columns and self.scope.role not in WHOLE:
            return None
        return None if found is None else found[column]

    def value(self, row: Row, name: str) -> Any:
        _, column, found = self.reach(row, name)
        return None if found is None else found[column]

    def reach(self, row: Row, name: str) -> tuple[Dataset, str, Row | None]:
        join, column = name.split(".") if "." in name else (self.guard(name), name)
        if join is None:
            return self.dataset, name, row
        target = self.dataset.targets[join]
        on = self.dataset.joins[join].on
        for other in self.tables[target.id]:
            if other[on] == row[on] and row[on] is not None and may_see(target, other, self.scope):
                return target, column, other
        return target, column, None

    def guard(self, key: str) -> str | None:
        """The dimension that has to be seen for this key to be shown, if there is one."""
        own = self.dataset.access
        if self.scope.role in WHOLE or key == getattr(own, "shared_column", None):
            return None
        for name, join in self.dataset.joins.items():
            target = self.dataset.targets[name].access
            if join.on == key and isinstance(target, AccountAccess | BudgetAccess):
                return name
        return None

    def type(self, name: str) -> ColumnType:
        if "." not in name:
            return self.dataset.columns[name].type
        join, column = name.split(".")
        return self.dataset.targets[join].columns[column].type

    def holds(self, condition: Condition, row: Row) -> bool:
        return holds(
            condition,
            lambda name: (self.value(row, name), self.type(name)),
            self.calendar.time_zone,
        )
