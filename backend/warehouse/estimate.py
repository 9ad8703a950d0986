"""What a query would cost, counted over rows that the caller may see alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.scope import Scope
from backend.warehouse import column_types
from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.datasets import Dataset
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.source import Source
from backend.warehouse.spec import Filter

ROW_GROUP = 122_880  # rows that DuckDB stores, and skips or reads, together


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a query, of rows that the caller may see alone.

    `rows_of_days` are those of the days that it asks for; it reads at least `row_groups` pieces of
    storage. `joined_rows` are by dimension. No `answer_rows_at_most`: all there are.
    """

    visible_rows: int
    rows_of_days: int
    row_groups: int
    joined_rows: dict[str, int]
    answer_rows_at_most: int | None


def read_datasets(dataset: Dataset, compiled: Compiled) -> list[Dataset]:
    """The dataset, and the dimensions that the query joins to it; each once."""
    every = [dataset, *(dataset.targets[name] for name in compiled.joined)]
    return list({each.id: each for each in every}.values())


def compile_estimate(dataset: Dataset, resolved: ResolvedSpec, scope: Scope) -> Compiled:
    """How many of the rows that the scope sees are of the days that the query asks for."""
    source = Source(dataset, scope, resolved.calendar)
    if resolved.period:
        source.within(resolved.period, resolved.earlier)
    for pointer, condition in resolved.conditions:
        if isinstance(condition, Filter) and condition.field == dataset.filters.date_column:
            source.where(condition, pointer)
    columns = (OutputColumn("rows", column_types.INTEGER),)
    sql = f"SELECT count(*)\n{source.sql()}"
    return Compiled(sql, source.parameters.values, columns)


def estimate(
    dataset: Dataset, visible: Mapping[str, int], rows_of_days: int, limit: int | None
) -> Estimate:
    """`visible` are the rows that the scope sees of each of the datasets that are read."""
    return Estimate(
        visible_rows=visible[dataset.id],
        rows_of_days=rows_of_days,
        row_groups=-(-rows_of_days // ROW_GROUP),
        joined_rows={name: rows for name, rows in visible.items() if name != dataset.id},
        answer_rows_at_most=limit,
    )
