"""The answer to a query, worked out slowly from plain rows: what the compiled SQL must agree with.

It knows nothing of SQL and shares with the compiler only the metadata and the resolved dates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from backend.periods import Grain
from backend.scope import Scope
from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import AccountAccess, Aggregate, BudgetAccess, Measure, Ratio
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.spec import Dimension, Fill
from tests.warehouse.oracle_reader import Reader
from tests.warehouse.oracle_rules import (
    Row,
    bucket,
    divided,
    holds,
    in_order,
    later,
)


@dataclass
class Answer:
    """All rows, in their order."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Oracle:
    def __init__(self, datasets: dict[str, Dataset], tables: dict[str, list[Row]]) -> None:
        self._datasets = datasets
        self._tables = tables

    def answer(self, resolved: ResolvedSpec, scope: Scope) -> Answer:
        dataset = self._datasets[resolved.spec.dataset]
        if resolved.spec.is_grouped:
            return _Groups(self._tables, dataset, resolved, scope).answer()
        return _Rows(self._tables, dataset, resolved, scope).answer()


class _Rows(Reader):
    def answer(self) -> Answer:
        names = list(self.spec.fields or self.dataset.columns)
        rows = self.kept()
        for by in reversed(self.spec.order):
            value_of = partial(self.value, name=by.field)
            rows = in_order(rows, value_of, descending=by.descending)
        return Answer(names, [tuple(self.shown(row, name) for name in names) for row in rows])


class _Groups(Reader):
    def answer(self) -> Answer:
        now, before = self._sides()
        dimensions = list(self.spec.dimensions)
        currencies = self._currencies()
        names = [key.name for key in dimensions]
        keys = dimensions + [Dimension(column=c) for c in currencies if c not in names]
        levels = self._levels(names, currencies)
        found: list[Row] = []
        for number, level in levels:
            found += self._of_level(number, level, keys, now, before)
        self._share(found, currencies, levels[-1][0])
        finest = levels[0][0]
        found = [g for g in found if g["_level"] < finest or self._has(g)]
        shows_level = len(levels) > 1
        if self.spec.totals and self.spec.totals.subtotals == "none":
            found = [g for g in found if g["_level"] == finest]
            shows_level = False
        columns = [key.name for key in keys] + (["_level"] if shows_level else [])
        measured = [c for name in self.spec.measures for c in self._columns(name)]
        order = [("_level", False)] if shows_level else []
        order += [(by.field, by.descending) for by in self.spec.order]
        order += [(key.name, False) for key in keys]
        for name, descending in reversed(order):
            found = in_order(found, itemgetter(name), descending=descending)
        columns += measured
        return Answer(columns, [tuple(g[name] for name in columns) for g in found])

    def _sides(self) -> tuple[list[Row], list[Row]]:
        rows = [{**row, "_day": row.get(self._date)} for row in self.kept()]
        period, earlier = self.resolved.period, self.resolved.earlier
        if period is None:
            return rows, []
        now = [r for r in rows if r["_day"] and period.first <= r["_day"] <= period.last]
        before = []
        for row in rows if earlier else []:
            assert earlier is not None
            if row["_day"] and earlier.period.first <= row["_day"] <= earlier.period.last:
                moved = later(row["_day"], earlier.months, earlier.days)
                before.append({**row, self._date: max(period.first, min(period.last, moved))})
        return now, before

    @property
    def _date(self) -> str:
        return self.dataset.filters.date_column or ""

    def _currencies(self) -> list[str]:
        found: list[str] = []
        for name in self.spec.measures:
            for part in self._with_parts(self.dataset.measures[name]):
                if part.currency_column and part.currency_column not in found:
                    found.append(part.currency_column)
        return found

    def _with_parts(self, measure: Measure) -> Iterator[Measure]:
        yield measure
        for part in measure.ratio if isinstance(measure, Ratio) else ():
            yield self.dataset.measures[part]

    def _levels(self, names: list[str], currencies: list[str]) -> list[tuple[int, set[str]]]:
        totals = self.spec.totals
        numbers = [len(names)]
        if totals:
            numbers = [*range(len(names), -1, -1)] if totals.subtotals == "all" else [len(names), 0]
        levels: list[tuple[int, set[str]]] = []
        for number in numbers:
            keys = {*names[:number], *currencies}
            if not levels or levels[-1][1] != keys:
                levels.append((number, keys))
        return levels

    def _of_level(
        self,
        number: int,
        level: set[str],
        keys: list[Dimension],
        now: list[Row],
        before: list[Row],
    ) -> list[Row]:
        inside = [key for key in keys if key.name in level]

        def key_of(row: Row) -> tuple[Any, ...]:
            return tuple(self._bucket(row, key) for key in inside)

        found: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = {}
        if not inside:
            found[()] = ([], [])
        for index, side in enumerate((now, before)):
            for row in side:
                found.setdefault(key_of(row), ([], []))[index].append(row)
        period = [n for n, key in enumerate(inside) if key.column == self._date]
        if self.spec.fill and period:
            self._fill(found, period[0], inside[period[0]], is_one_series=len(keys) == 1)
        blank = dict.fromkeys(key.name for key in keys)
        groups = []
        for place, sides in found.items():
            named = {key.name: value for key, value in zip(inside, place, strict=True)}
            group = {**blank, **named, "_level": number, "_place": place}
            groups.append(group | self._figures(sides))
        if self.spec.fill is Fill.PREVIOUS and period:
            self._carry(groups, period[0])
        for group in groups:
            self._compare(group)
        return groups

    def _figures(self, sides: tuple[list[Row], list[Row]]) -> Row:
        """Of both periods; with an underscore before it, what it was before `fill`."""
        figures: Row = {}
        for suffix, rows in zip(("", "_previous"), sides, strict=True):
            figures[f"#{suffix}"] = len(rows)
            for name in self.spec.measures:
                figures[name + suffix] = self._settled(name, rows)
                figures[f"_{name}{suffix}"] = self._measure(self.dataset.measures[name], rows)
        return figures

    def _bucket(self, row: Row, key: Dimension) -> Any:
        value = self.value(row, key.column)
        if key.grain is None or value is None:
            return value
        if isinstance(value, datetime):
            value = value.astimezone(ZoneInfo(self.calendar.time_zone)).date()
        return bucket(value, key.grain, self.calendar.fiscal_start)

    def _fill(
        self,
        found: dict[tuple[Any, ...], Any],
        position: int,
        key: Dimension,
        *,
        is_one_series: bool,
    ) -> None:
        grain = key.grain or self.dataset.meta.time_grain or Grain.DAY
        period = self.resolved.period
        assert period is not None
        days = [
            period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)
        ]
        starts = {bucket(day, grain, self.calendar.fiscal_start) for day in days}
        series = {(*place[:position], *place[position + 1 :]) for place in found}
        if is_one_series:  # which is there without any row
            series = {()}
        for values in series:
            for start in starts:
                found.setdefault((*values[:position], start, *values[position:]), ([], []))

    def _measure(self, measure: Measure, rows: list[Row]) -> Any:
        if isinstance(measure, Ratio):
            above, below = (self.dataset.measures[part] for part in measure.ratio)
            a, b = self._measure(above, rows), self._measure(below, rows)
            places = 6
            if measure.unit == "currency":
                assert isinstance(above, Aggregate)
                assert above.column
                places = self.dataset.columns[above.column].type.scale
            return divided(a, b, places)
        rows = self._last(rows) if measure.additive.time == "last" and self._date else rows
        if measure.column is None:
            return len(rows)
        values = [row[measure.column] for row in rows if row[measure.column] is not None]
        if measure.agg == "count":
            return len(values)
        if measure.agg == "count_distinct":
            return len(set(values))
        if not values:
            return None
        return {"sum": sum, "min": min, "max": max}[measure.agg](values)

    def _last(self, rows: list[Row]) -> list[Row]:
        access = self.dataset.access
        entity = access.shared_column if isinstance(access, AccountAccess | BudgetAccess) else ""
        last: dict[Any, date] = {}
        for row in rows:
            key = row.get(entity)
            if row["_day"] is not None:
                last[key] = max(last.get(key, row["_day"]), row["_day"])
        return [row for row in rows if row["_day"] and last.get(row.get(entity)) == row["_day"]]

    def _adds_up(self, name: str) -> bool:
        measure = self.dataset.measures[name]
        return isinstance(measure, Aggregate) and measure.agg in {"sum", "count", "count_distinct"}

    def _settled(self, name: str, rows: list[Row]) -> Any:
        if rows or self.resolved.period is None:
            return self._measure(self.dataset.measures[name], rows)
        is_zero = self._adds_up(name) and self.spec.fill in {None, Fill.ZERO}
        return 0 if is_zero else None

    def _carry(self, groups: list[Row], position: int) -> None:
        series: dict[tuple[Any, ...], list[Row]] = {}
        for group in groups:
            place = group["_place"]
            series.setdefault((*place[:position], *place[position + 1 :]), []).append(group)
        for members in series.values():
            members.sort(key=lambda group: group["_place"][position])
            for name in self.spec.measures:
                for suffix in ("", "_previous"):
                    last = None
                    for group in members:
                        if group[f"#{suffix}"] == 0:
                            group[name + suffix] = last
                        elif group[name + suffix] is not None:
                            last = group[name + suffix]

    def _compare(self, group: Row) -> None:
        for name in self.spec.measures:
            now, before = group[name], group[f"{name}_previous"]
            is_known = now is not None and before is not None and not isinstance(now, date)
            group[f"{name}_delta"] = now - before if is_known else None
            group[f"{name}_change"] = divided(now - before, abs(before), 6) if is_known else None

    def _share(self, groups: list[Row], currencies: list[str], coarsest: int) -> None:
        for name in self.spec.totals.shares if self.spec.totals else ():
            wholes = {
                tuple(g[c] for c in currencies): g[f"_{name}"]
                for g in groups
                if g["_level"] == coarsest
            }
            for group in groups:
                if len({g["_level"] for g in groups}) == 1 and group["_level"] == coarsest:
                    whole = group[f"_{name}"]
                else:
                    whole = wholes.get(tuple(group[c] for c in currencies))
                group[f"{name}_share"] = divided(group[name], whole, 6)

    def _columns(self, name: str) -> list[str]:
        columns = [name]
        if self.spec.compare:
            columns += [f"{name}_previous"]
            if not self._is_date(name):
                columns += [f"{name}_delta", f"{name}_change"]
        if self.spec.totals and name in self.spec.totals.shares:
            columns.append(f"{name}_share")
        return columns

    def _is_date(self, name: str) -> bool:
        measure = self.dataset.measures[name]
        if (
            isinstance(measure, Ratio)
            or measure.column is None
            or measure.agg not in {"min", "max"}
        ):
            return False
        return self.dataset.columns[measure.column].type.kind in {Kind.DATE, Kind.TIMESTAMP}

    def _has(self, group: Row) -> bool:
        def value_of(name: str) -> tuple[Any, ColumnType]:
            kind = Kind.INTEGER if isinstance(group[name], int) else Kind.DECIMAL
            return group[name], ColumnType("", kind)

        return all(holds(c, value_of, self.calendar.time_zone) for c in self.spec.having)
