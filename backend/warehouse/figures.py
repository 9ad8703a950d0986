"""The columns that each measure of a grouped query has in its answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.warehouse.column_types import NUMERIC, ColumnType
from backend.warehouse.compiled import OutputColumn
from backend.warehouse.datasets import Dataset
from backend.warehouse.expressions import Expression, quotient
from backend.warehouse.measures import expression
from backend.warehouse.metadata import Aggregate
from backend.warehouse.names import CHANGE, DELTA, PREVIOUS, SHARE
from backend.warehouse.plan import Plan
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.source import Source

ROW_COUNT = "_rows"  # how many rows a group has; with PREVIOUS, those of the earlier period


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure in the answer; `adds_up` if it is 0 where there are no rows."""

    name: str
    type: ColumnType
    unit: str | None
    adds_up: bool
    has_share: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """A grouped query on its way through the layers of its SQL."""

    source: Source
    resolved: ResolvedSpec
    plan: Plan
    figures: tuple[Figure, ...]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Behind the names of measures: of the period asked for, and of the one before."""
        return ("", PREVIOUS) if self.source.is_compared else ("",)


def figures_of(dataset: Dataset, plan: Plan) -> tuple[Figure, ...]:
    return tuple(figure_of(dataset, name, has_share=name in plan.shares) for name in plan.measures)


def figure_of(dataset: Dataset, name: str, *, has_share: bool) -> Figure:
    measure = dataset.measures[name]
    return Figure(
        name,
        expression(dataset, measure).type,
        measure.unit,
        isinstance(measure, Aggregate) and measure.agg in {"sum", "count", "count_distinct"},
        has_share,
    )


def answered(figure: Figure, *, is_compared: bool) -> Iterator[tuple[OutputColumn, str]]:
    """Its columns, each with the SQL that makes it of values, previous ones and wholes."""
    value = Expression(f'"{figure.name}"', figure.type)
    yield OutputColumn(figure.name, figure.type, figure.unit), value.sql
    if is_compared:
        previous = OutputColumn(f"{figure.name}{PREVIOUS}", figure.type, figure.unit)
        yield previous, f'"{previous.name}"'
        if figure.type.kind in NUMERIC:
            yield from _differences(figure, value, f'"{previous.name}"')
    if figure.has_share:
        whole = Expression(f'"{whole_of(figure)}"', figure.type)
        share = quotient(value, whole)
        yield OutputColumn(f"{figure.name}{SHARE}", share.type), share.sql


def whole_of(figure: Figure) -> str:
    return f"_whole_{figure.name}"


def _differences(
    figure: Figure, value: Expression, previous: str
) -> Iterator[tuple[OutputColumn, str]]:
    delta = Expression(f"({value.sql} - {previous})", figure.type)
    yield OutputColumn(f"{figure.name}{DELTA}", figure.type, figure.unit), delta.sql
    change = quotient(delta, Expression(f"abs({previous})", figure.type))
    yield OutputColumn(f"{figure.name}{CHANGE}", change.type), change.sql
