"""The FROM of a query: the visible rows of a dataset, with the names of its dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import FieldError, Forbidden, InvalidInput, did_you_mean
from backend.scope import Scope
from backend.warehouse.datasets import Column, Dataset
from backend.warehouse.metadata import AccountAccess, BudgetAccess
from backend.warehouse.parameters import Parameters
from backend.warehouse.predicates import predicate
from backend.warehouse.spec import Filter, Operator
from backend.warehouse.visibility import branches, is_hidden

BASE = "base"


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that a query names: the dataset's own, or of the dimension that `join` leads to."""

    name: str
    dataset: Dataset
    column: Column
    join: str | None

    @property
    def sql(self) -> str:
        return f'"{self.join or BASE}"."{self.column.name}"'


class Source:
    """Collects the columns, joins and conditions that a query needs, then writes the FROM."""

    def __init__(self, dataset: Dataset, scope: Scope) -> None:
        self.dataset = dataset
        self.scope = scope
        self.parameters = Parameters()
        self._needs_rowid = False
        self._looks_up_lists = False
        self._columns: dict[str, Column] = {}
        self._joined: dict[str, dict[str, Column]] = {}
        self._conditions: list[str] = []
        self._conditions_on_joined: list[str] = []

    @property
    def keeps_stored_order(self) -> bool:
        """Whether the rows come as they are stored without an ORDER BY, once all is collected.

        A scan that is only filtered does, and can stop at a limit
        (https://duckdb.org/docs/sql/dialect/order_preservation). DuckDB plans a search in a list
        as a join, and the threads of a join hand on their rows in any order.
        """
        is_one_scan = len(branches(self.dataset, self.scope, self.parameters)) == 1
        return is_one_scan and not self._joined and not self._looks_up_lists

    def shown(self, name: str, pointer: str) -> Reference:
        """A column for the answer; one that is restricted comes out empty."""
        return self._need(self._resolve(name, pointer))

    def used(self, name: str, pointer: str) -> Reference:
        """A column to group, sort, measure or filter by, which a restricted one may not be."""
        reference = self._resolve(name, pointer)
        self._refuse_hidden(reference, pointer)
        return self._need(reference)

    def rowid(self) -> str:
        """The place of a row in the mart: unique, and the same for the life of a generation."""
        self._needs_rowid = True
        return f'"{BASE}"."_rowid"'  # no column of a dataset begins with an underscore

    def where(self, given: Filter, pointer: str) -> None:
        reference = self._resolve(given.field, f"{pointer}/field")
        self._refuse_hidden(reference, f"{pointer}/field")
        type_ = reference.column.type
        self._looks_up_lists |= given.op in {Operator.IN, Operator.NOT_IN}
        if reference.join is None:
            sql = f'"{reference.column.name}"'
            self._conditions.append(predicate(sql, type_, given, self.parameters, pointer))
        else:
            self._need(reference)
            self._conditions_on_joined.append(
                predicate(reference.sql, type_, given, self.parameters, pointer)
            )

    def sql(self) -> str:
        """Everything from FROM to WHERE."""
        rows = self._visible(self.dataset, self._columns, self._conditions)
        lines = [f'FROM (\n{rows}\n) AS "{BASE}"']
        for name, columns in self._joined.items():
            join = self.dataset.joins[name]
            target = self.dataset.targets[name]
            needed = {join.on: target.columns[join.on], **columns}
            lines.append(
                f'LEFT JOIN (\n{self._visible(target, needed, [])}\n) AS "{name}" '
                f'ON "{name}"."{join.on}" = "{BASE}"."{join.on}"'
            )
        if self._conditions_on_joined:
            lines.append(f"WHERE {' AND '.join(self._conditions_on_joined)}")
        return "\n".join(lines)

    def _visible(self, dataset: Dataset, columns: dict[str, Column], conditions: list[str]) -> str:
        shown = [
            f'CAST(NULL AS {column.type.sql}) AS "{name}"'
            if is_hidden(dataset, name, self.scope)
            else f'"{name}"'
            for name, column in columns.items()
        ]
        if dataset is self.dataset and self._needs_rowid:
            shown.append('rowid AS "_rowid"')
        selected = ", ".join(shown) or 'true AS "_row"'
        return "\nUNION ALL\n".join(
            f"  SELECT {selected} FROM {dataset.relation}"  # noqa: S608  # allow-listed names
            f" WHERE {' AND '.join([branch, *conditions])}"
            for branch in branches(dataset, self.scope, self.parameters)
        )

    def _need(self, reference: Reference) -> Reference:
        column = reference.column
        if reference.join is None:
            self._columns[column.name] = column
        else:
            self._joined.setdefault(reference.join, {})[column.name] = column
            on = self.dataset.joins[reference.join].on
            self._columns[on] = self.dataset.columns[on]
        return reference

    def _resolve(self, name: str, pointer: str) -> Reference:
        if column := self.dataset.columns.get(name):
            return self._guarded(Reference(name, self.dataset, column, None))
        join, _, joined_name = name.partition(".")
        target = self.dataset.targets.get(join)
        if target and (column := target.columns.get(joined_name)):
            return Reference(name, target, column, join)
        raise InvalidInput(
            f"Dataset {self.dataset.id} has no column {_printable(name)}.",
            errors=[FieldError(pointer, did_you_mean(name, self._names()))],
        )

    def _guarded(self, reference: Reference) -> Reference:
        """A key, by way of its dimension where the scope may not see all that it leads to.

        So it comes out empty, and finds nothing, where it would name what the scope may not see.
        """
        if self.scope.sees_whole_organization:
            return reference
        for name, join in self.dataset.joins.items():
            target = self.dataset.targets[name]
            rowwise = isinstance(target.access, AccountAccess | BudgetAccess)
            if join.on == reference.name and rowwise and not self._decides_rows(join.on):
                return Reference(reference.name, target, target.columns[join.on], name)
        return reference

    def _decides_rows(self, column: str) -> bool:
        """Whether who sees a row sees what this column of it names, too."""
        access = self.dataset.access
        return isinstance(access, AccountAccess | BudgetAccess) and column == access.shared_column

    def _refuse_hidden(self, reference: Reference, pointer: str) -> None:
        if is_hidden(reference.dataset, reference.column.name, self.scope):
            raise Forbidden(
                f"{reference.name!r} is for those who see the whole organization.",
                errors=[FieldError(pointer, "cannot be filtered, sorted or grouped by")],
            )

    def _names(self) -> list[str]:
        joined = [
            f"{name}.{column}"
            for name, target in self.dataset.targets.items()
            for column in target.columns
        ]
        return [*self.dataset.columns, *joined]


def _printable(name: str) -> str:
    return ascii(name[:100])
