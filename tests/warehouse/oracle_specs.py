"""Hypothesis makes up queries, scopes and settings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from backend.periods import Calendar, Grain
from backend.scope import Role, Scope
from backend.warehouse.column_types import DATED, ColumnType, Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.measures import aggregates, takes_last
from backend.warehouse.metadata import Aggregate
from backend.warehouse.predicates import operators
from backend.warehouse.spec import Operator
from tests.warehouse.oracle_world import (
    ACCOUNTS,
    ANN,
    BEN,
    BUDGETS,
    CAT,
    EVE,
    FOREIGN_ACCOUNT,
    FOREIGN_BUDGET,
    HERE,
    THERE,
    UNKNOWN,
    Row,
)

RELATIVE = (
    *("last_year", "last_12_months", "last_month", "last_90_days", "last_3_months", "this_year"),
    *("this_quarter", "last_quarter", "year_to_date", "this_fiscal_year", "last_fiscal_quarter"),
    *("month_to_date", "quarter_to_date", "fiscal_year_to_date", "this_month", "last_30_days"),
    *("last_52_weeks", "week_to_date", "today"),
)
_LIKELY = {Operator.NE, Operator.NOT_IN, Operator.GTE, Operator.LTE}  # to leave some rows
NOWS = [
    datetime(2025, 3, 10, 12, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 30, tzinfo=UTC),
    datetime(2024, 12, 31, 11, tzinfo=UTC),
]

scopes = st.builds(
    Scope,
    user_id=st.sampled_from([ANN, ANN, ANN, BEN, BEN, BEN, CAT, CAT, EVE, UNKNOWN]),
    organization_id=st.sampled_from([*[HERE] * 15, THERE, UNKNOWN]),
    role=st.sampled_from([Role.MEMBER, Role.OWNER, Role.ANALYST, Role.VIEWER]),
    shared_account_ids=st.frozensets(st.sampled_from([*ACCOUNTS, FOREIGN_ACCOUNT]), max_size=3),
    shared_budget_ids=st.frozensets(st.sampled_from([*BUDGETS, FOREIGN_BUDGET]), max_size=2),
)
calendars = st.builds(
    Calendar,
    time_zone=st.sampled_from(["UTC", "Pacific/Auckland", "America/New_York"]),
    fiscal_start=st.sampled_from([1, 2, 4, 10]),
)


class Specs:
    """Makes queries on one dataset; values are mostly those that its rows hold."""

    def __init__(self, dataset: Dataset, tables: dict[str, list[Row]], *, whole: bool) -> None:
        self.dataset = dataset
        self.hidden = set() if whole else set(dataset.access.restricted_columns)
        self.columns: dict[str, tuple[ColumnType, list[Any]]] = {}
        for prefix, target in [("", dataset), *((f"{n}.", t) for n, t in dataset.targets.items())]:
            for column in target.columns.values():
                if whole or column.name not in target.access.restricted_columns:
                    values = sorted(
                        {_plain(row[column.name]) for row in tables[target.id]}, key=str
                    )
                    self.columns[prefix + column.name] = (column.type, values)
        self.shown = [*dataset.columns, *(n for n in self.columns if "." in n)]

    def rows(self, draw: st.DrawFn) -> dict[str, Any]:
        spec: dict[str, Any] = {"dataset": self.dataset.id, "filters": self.filters(draw)}
        if draw(st.booleans()):
            names = st.lists(st.sampled_from(self.shown), min_size=1, max_size=5, unique=True)
            spec["fields"] = draw(names)
        if draw(st.booleans()):
            sortable = [n for n, (type_, _) in self.columns.items() if not type_.is_list]
            spec["order"] = self.order(draw, sortable)
        return spec

    def groups(self, draw: st.DrawFn) -> dict[str, Any]:
        return self._groups(draw, self.filters(draw), {})

    def periods(self, draw: st.DrawFn) -> dict[str, Any]:
        """Groups compared with earlier ones, filled, or both."""
        if self.dataset.meta.time_grain is None:
            return self.groups(draw)
        options = {"compare": draw(st.sampled_from(["previous_period", "previous_year", None]))}
        if options["compare"] is None or draw(st.booleans()):
            options["fill"] = draw(st.sampled_from(["previous", "null", "zero"]))
        return self._groups(draw, self.filters(draw, most=1) + self.period(draw), options)

    def _groups(
        self, draw: st.DrawFn, filters: list[dict[str, Any]], options: dict[str, Any]
    ) -> dict[str, Any]:
        dimensions = self.dimensions(draw, by_date="fill" in options)
        measures = self.measures(draw, dimensions)
        if not dimensions and not measures:
            dimensions = [{"column": next(iter(self.columns)), "grain": None}]
        derived = [*measures]
        if options.get("compare"):
            derived += [f"{name}_previous" for name in measures]
        if dimensions and draw(st.booleans()):
            options["totals"] = self.totals(draw, dimensions, measures)
        if measures and draw(st.booleans()):
            options["order"] = self.order(draw, derived)
        if measures and draw(st.integers(0, 3)) == 0:
            options["having"] = self.having(draw, derived)
        return {
            "dataset": self.dataset.id,
            "dimensions": dimensions,
            "measures": measures,
            "filters": filters,
            **options,
        }

    @property
    def date(self) -> str:
        return self.dataset.filters.date_column or ""

    def dimensions(self, draw: st.DrawFn, *, by_date: bool) -> list[dict[str, Any]]:
        groupable = [n for n, (type_, _) in self.columns.items() if not type_.is_list]
        names = [name for name in groupable if name.endswith(".name")] * 3
        chosen = draw(st.lists(st.sampled_from([*names, *groupable]), max_size=2, unique=True))
        if self.date and (by_date or draw(st.booleans())):
            position = draw(st.integers(0, len(chosen)))
            chosen = [n for n in chosen if n != self.date]
            chosen.insert(min(position, len(chosen)), self.date)
        finest = self.dataset.meta.time_grain
        made = []
        for name in chosen:
            type_, _ = self.columns[name]
            grains = [None]
            if type_.kind in DATED and "." not in name and finest:
                grains += [grain for grain in Grain if not grain.is_finer_than(finest)]
            made.append({"column": name, "grain": draw(st.sampled_from(grains))})
        return made

    def measures(self, draw: st.DrawFn, dimensions: list[dict[str, Any]]) -> list[str]:
        names = list(self.dataset.measures)
        if not names:
            return []
        grouped = {d["column"] for d in dimensions if d["grain"] is None}
        free = [
            name
            for name in names
            if all(
                set(part.additive.exceptions) <= grouped and part.column not in self.hidden
                for part in aggregates(self.dataset, self.dataset.measures[name])
            )
        ]
        return draw(st.lists(st.sampled_from(free), max_size=3, unique=True)) if free else []

    def totals(
        self, draw: st.DrawFn, dimensions: list[dict[str, Any]], measures: list[str]
    ) -> dict[str, Any] | None:
        every = [p for m in measures for p in aggregates(self.dataset, self.dataset.measures[m])]
        if any(part.additive.exceptions for part in every):
            return None
        by_date = self.date in {d["column"] for d in dimensions}
        shared = [
            name
            for name in measures
            if isinstance(measure := self.dataset.measures[name], Aggregate)
            and measure.agg in {"sum", "count"}
            and not (by_date and takes_last(self.dataset, measure))
        ]
        shares = draw(st.lists(st.sampled_from(shared), unique=True)) if shared else []
        return {"subtotals": draw(st.sampled_from(["all", "grand", "none"])), "shares": shares}

    def order(self, draw: st.DrawFn, names: list[str]) -> list[dict[str, Any]]:
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        return [{"field": name, "descending": draw(st.booleans())} for name in chosen]

    def having(self, draw: st.DrawFn, names: list[str]) -> list[dict[str, Any]]:
        name = draw(st.sampled_from(names))
        op = draw(st.sampled_from(["gt", "lte", "ne", "is_null"]))
        value: Any = draw(st.booleans()) if op == "is_null" else draw(st.integers(-5, 50))
        leaf = {"field": name, "op": op, "value": value}
        return [
            draw(st.sampled_from([leaf, {"or": [leaf, {**leaf, "op": "is_null", "value": True}]}]))
        ]

    def filters(self, draw: st.DrawFn, most: int = 2) -> list[dict[str, Any]]:
        made = []
        for shape in draw(st.lists(st.sampled_from(["or", "leaf", "and"]), max_size=most)):
            if shape == "leaf":
                made.append(self.leaf(draw))
            elif shape == "or":
                inner = {"and": [self.leaf(draw), self.leaf(draw)]}
                made.append({"or": [self.leaf(draw), inner]})
            else:
                made.append({"and": [self.leaf(draw), {"or": [self.leaf(draw), self.leaf(draw)]}]})
        return made

    def leaf(self, draw: st.DrawFn) -> dict[str, Any]:
        name = draw(st.sampled_from([*self.columns]))
        type_, values = self.columns[name]
        likely = [op for op in operators(type_) if op in _LIKELY]
        op = draw(st.sampled_from([*likely, *operators(type_)]))
        return {"field": name, "op": op.value, "value": self._value(draw, op, type_, values)}

    def _value(self, draw: st.DrawFn, op: Operator, type_: ColumnType, values: list[Any]) -> Any:
        known = [v for v in values if v is not None] or [_other(type_)]
        one = st.sampled_from([*known, _other(type_)])
        if op is Operator.IS_NULL:
            return draw(st.booleans())
        if op in {Operator.IN, Operator.NOT_IN}:
            return [_wire(v) for v in draw(st.lists(one, max_size=4))]
        if op is Operator.BETWEEN:
            return [_wire(v) for v in sorted((draw(one), draw(one)))]
        if op is Operator.DURING:
            return draw(st.sampled_from([*RELATIVE, ["2024-02-01", "2024-12-31"]]))
        if op in {Operator.CONTAINS, Operator.STARTS_WITH} and not type_.is_list:
            text = draw(one)
            end = draw(st.integers(0, 4))
            return draw(st.sampled_from([text[:end], text[:end].swapcase(), text[1:end]]))
        return _wire(draw(one))

    def period(self, draw: st.DrawFn) -> list[dict[str, Any]]:
        if draw(st.booleans()):
            name = draw(st.sampled_from(RELATIVE))
            return [{"field": self.date, "op": "during", "value": name}]
        first = date(2024, 1, 1) + timedelta(days=draw(st.integers(0, 420)))
        first = draw(st.sampled_from([first, first.replace(day=1), date(2024, 2, 29)]))
        last = first + timedelta(days=draw(st.sampled_from([365, 90, 59, 30, 28, 27, 6, 0])))
        return [
            {"field": self.date, "op": "gte", "value": str(first)},
            {"field": self.date, "op": "lte", "value": str(last)},
        ]


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else (None if value == [] else value)


def _other(type_: ColumnType) -> Any:
    return {
        Kind.UUID: UNKNOWN,
        Kind.TEXT: "a",
        Kind.DATE: date(2024, 6, 15),
        Kind.TIMESTAMP: NOWS[2],
        Kind.INTEGER: 2,
        Kind.DECIMAL: Decimal("12.50"),
        Kind.BOOLEAN: True,
        Kind.NUMBER: 1.5,
    }[type_.kind]


def _wire(value: Any) -> Any:
    """As JSON carries it."""
    if isinstance(value, UUID | Decimal | date | datetime):
        return value.isoformat() if isinstance(value, date) else str(value)
    return value
