"""The FROM of a query: the visible rows of a dataset, with the names of its dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from backend.periods import Calendar, Earlier, Grain, Period
from backend.scope import Scope
from backend.warehouse.column_types import Kind
from backend.warehouse.datasets import Column, Dataset
from backend.warehouse.expressions import named
from backend.warehouse.names import BASE, ROWID
from backend.warehouse.parameters import Parameters
from backend.warehouse.predicates import combined, predicate
from backend.warehouse.references import Reference, find, is_own, refuse_hidden
from backend.warehouse.spec import Condition, Filter, Operator, leaves
from backend.warehouse.visibility import branches, is_hidden

_UNITS = {Grain.FISCAL_QUARTER: "quarter", Grain.FISCAL_YEAR: "year"}


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows put together before names are joined: what to select of them, what to group them by."""

    selected: Sequence[str]
    keys: Sequence[str]


class Source:
    """Collects the columns, joins and conditions that a query needs, then writes the FROM.

    With an earlier period to compare with, each of its rows follows with ``_earlier`` true and
    its date moved to the one that it is compared with; ``_day`` keeps the date that it had.
    """

    def __init__(self, dataset: Dataset, scope: Scope, calendar: Calendar | None = None) -> None:
        self.dataset = dataset
        self.scope = scope
        self.calendar = calendar or Calendar()
        self.parameters = Parameters()
        self.mixes_joined = False  # whether one condition is on a joined column and one's own
        self._period: Period | None = None
        self._earlier: Earlier | None = None
        self._is_of_days = False
        self._needs_day = False
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
        return self.is_read_in_stored_order and not self._joined

    @property
    def is_read_in_stored_order(self) -> bool:
        """Likewise, before names are joined."""
        is_one_scan = len(branches(self.dataset, self.scope, self.parameters)) == 1
        return is_one_scan and not self._looks_up_lists

    def only_adds_names(self, order: Iterable[str]) -> bool:
        """Whether joins neither choose rows nor put them in `order`, which is SQL of columns."""
        by_own = all(sql.startswith(f'"{BASE}".') for sql in order)
        return bool(self._joined) and by_own and not self._conditions_on_joined

    def shown(self, name: str, pointer: str) -> Reference:
        """A column for the answer; one that is restricted comes out empty."""
        return self._need(find(self.dataset, self.scope, name, pointer))

    def used(self, name: str, pointer: str) -> Reference:
        """A column to group, sort, measure or filter by, which a restricted one may not be."""
        reference = find(self.dataset, self.scope, name, pointer)
        refuse_hidden(reference, self.scope, pointer)
        return self._need(reference)

    def rowid(self) -> str:
        """The place of a row in the mart: unique, and the same for the life of a generation."""
        self._needs_rowid = True
        return f'"{BASE}"."_rowid"'  # no column of a dataset begins with an underscore

    def day(self) -> str:
        """The date of a row as it is stored, whichever period it is of."""
        if not self.is_compared:
            return self.used(self.dataset.filters.date_column or "", "#/measures").sql
        self._needs_day = True
        return f'"{BASE}"."_day"'

    def first_day(self, reference: Reference, grain: Grain) -> str:
        """Of the period that a date, or an instant in the time zone of the query, falls in."""
        sql = reference.sql
        if reference.column.type.kind is Kind.TIMESTAMP:
            zone = self.parameters.bind_as("time_zone", self.calendar.time_zone)
            if reference.column.type.sql == "TIMESTAMP":
                sql = f"({sql} AT TIME ZONE 'UTC')"
            sql = f"({sql} AT TIME ZONE {zone})"
        unit, months = _UNITS.get(grain, grain.value), self.calendar.fiscal_start - 1
        if not grain.is_fiscal or not months:
            return f"CAST(date_trunc('{unit}', {sql}) AS DATE)"
        moved = f"date_trunc('{unit}', {sql} - to_months({months})) + to_months({months})"
        return f"CAST({moved} AS DATE)"

    def prefer_days(self) -> None:
        """The rows wanted are of some days: whoever sees all of a day reads them where they lie."""
        self._is_of_days = True

    def within(self, period: Period, earlier: Earlier | None) -> None:
        self._period, self._earlier = period, earlier

    @property
    def is_compared(self) -> bool:
        return self._earlier is not None

    @property
    def joined(self) -> tuple[str, ...]:
        """The joins in use, in the order in which they came to be needed."""
        return tuple(self._joined)

    @property
    def joined_by(self) -> list[str]:
        """The columns of its own that lead to the dimensions in use."""
        return list(dict.fromkeys(self.dataset.joins[name].on for name in self._joined))

    def where(self, condition: Condition, pointer: str) -> None:
        own = [is_own(self.dataset, self.scope, leaf.field) for leaf in leaves(condition)]
        sql = combined(condition, pointer, partial(self._predicate, is_own=all(own)))
        if all(own):
            self._conditions.append(sql)
        else:
            self.mixes_joined |= any(own)
            self._conditions_on_joined.append(sql)

    def sql(
        self, conditions: Sequence[str] = (), grouping: Grouping | None = None, page: str = ""
    ) -> str:
        """Everything from FROM to WHERE; `conditions` are further ones on these rows.

        With a `page` (ORDER BY and LIMIT) names are joined to the rows of that page only.
        """
        rows = f'(\n{self._rows()}\n) AS "{BASE}"'
        if page:
            further = f"\nWHERE {' AND '.join(conditions)}" if conditions else ""
            rows, conditions = f'(\nSELECT * FROM {rows}{further}{page}\n) AS "{BASE}"', ()
        if grouping:
            keys = ", ".join(f'"{key}"' for key in grouping.keys)
            selected = ", ".join(grouping.selected)
            rows = f'(\nSELECT {selected}\nFROM {rows}\nGROUP BY {keys}\n) AS "{BASE}"'
        lines = [f"FROM {rows}"]
        for name, columns in self._joined.items():
            join = self.dataset.joins[name]
            target = self.dataset.targets[name]
            needed = {column: f'"{column}"' for column in (join.on, *columns)}
            lines.append(
                f'LEFT JOIN (\n{self._visible(target, needed, [])}\n) AS "{name}" '
                f'ON "{name}"."{join.on}" = "{BASE}"."{join.on}"'
            )
        if every := [*self._conditions_on_joined, *conditions]:
            lines.append(f"WHERE {' AND '.join(every)}")
        return "\n".join(lines)

    def _predicate(self, given: Filter, pointer: str, *, is_own: bool) -> str:
        reference = find(self.dataset, self.scope, given.field, f"{pointer}/field")
        refuse_hidden(reference, self.scope, f"{pointer}/field")
        self._looks_up_lists |= given.op in {Operator.IN, Operator.NOT_IN}
        if is_own:
            sql = f'"{reference.column.name}"'
        elif reference.name == self.dataset.filters.date_column:
            sql = self.day()
        else:
            sql = self._need(reference).sql
        type_ = reference.column.type
        zone = self.calendar.time_zone
        return predicate(sql, type_, given, self.parameters, pointer, time_zone=zone)

    def _rows(self) -> str:
        """The rows of the period asked for, and after them those of the one to compare with."""
        columns = {name: f'"{name}"' for name in self._columns}
        if self._needs_rowid:
            columns["_rowid"] = ROWID
        if self._period is None:
            return self._visible(self.dataset, columns, self._conditions)
        date = f'"{self.dataset.filters.date_column}"'
        if self._needs_day:
            columns["_day"] = date
        within = self._between(date, "from", "until", self._period)
        if self._earlier is None:
            return self._visible(self.dataset, columns, [*self._conditions, within])
        before = self._between(date, "earlier_from", "earlier_until", self._earlier.period)
        moved = {**columns, "_earlier": "true"}
        if date.strip('"') in columns:
            moved[date.strip('"')] = _moved(date, self._earlier)
        present = {**columns, "_earlier": "false"}
        return "\nUNION ALL\n".join([
            self._visible(self.dataset, present, [*self._conditions, within]),
            self._visible(self.dataset, moved, [*self._conditions, before]),
        ])  # fmt: skip

    def _between(self, date: str, start: str, end: str, period: Period) -> str:
        first = self.parameters.bind_as(start, period.first)
        last = self.parameters.bind_as(end, period.last)
        return f"{date} BETWEEN {first} AND {last}"

    def _visible(
        self, dataset: Dataset, columns: Mapping[str, str], conditions: Sequence[str]
    ) -> str:
        """The rows of `dataset` for this scope; `columns` are SQL by name."""
        shown = [
            f'CAST(NULL AS {dataset.columns[name].type.sql}) AS "{name}"'
            if is_hidden(dataset, name, self.scope)
            else named(sql, name)
            for name, sql in columns.items()
        ]
        selected = ", ".join(shown) or 'true AS "_row"'
        return "\nUNION ALL\n".join(
            f"  SELECT {selected} FROM {self._relation(dataset)}"  # noqa: S608  # allow-listed names
            f" WHERE {' AND '.join([branch.condition, *conditions])}"
            for branch in branches(dataset, self.scope, self.parameters)
        )

    def _relation(self, dataset: Dataset) -> str:
        if dataset is self.dataset and self._is_of_days and self.scope.sees_whole_organization:
            return dataset.relation_by_date
        return dataset.relation

    def _need(self, reference: Reference) -> Reference:
        column = reference.column
        if reference.join is None:
            self._columns[column.name] = column
        else:
            self._joined.setdefault(reference.join, {})[column.name] = column
            on = self.dataset.joins[reference.join].on
            self._columns[on] = self.dataset.columns[on]
        return reference


def _moved(date: str, earlier: Earlier) -> str:
    """To the day that it is compared with, and never out of the period asked for."""
    step = f"to_months({earlier.months})" if earlier.months else f"{earlier.days}"
    moved = f"{date} + {step}"
    return f"CAST(least(greatest({moved}, $from), $until) AS DATE)"
