"""Measures in SQL, and the refusal to add up what cannot be added up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.warehouse import column_types
from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import Aggregate, Measure, Ratio
from backend.warehouse.spec import Filter, Operator

LAST = '"_last"'  # true of the rows that hold the last value of their period
_RATIO_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Expression:
    sql: str
    type: ColumnType


def find_measure(dataset: Dataset, name: str, pointer: str) -> Measure:
    measure = dataset.measures.get(name)
    if measure is None:
        known = list(dataset.measures)
        raise InvalidInput(
            f"Dataset {dataset.id} has no measure {name[:100]!a}.",
            errors=[FieldError(pointer, did_you_mean(name, known) if known else "It has none.")],
        )
    return measure


def aggregates(dataset: Dataset, measure: Measure) -> Iterator[Aggregate]:
    """What the measure is made of: itself, or both sides of a ratio."""
    parts = measure.ratio if isinstance(measure, Ratio) else ()
    for part in parts:
        yield from aggregates(dataset, dataset.measures[part])
    if isinstance(measure, Aggregate):
        yield measure


def currency_columns(dataset: Dataset, measure: Measure) -> Iterator[str]:
    """Amounts of different currencies are never added, so these are part of every group."""
    for part in (measure, *aggregates(dataset, measure)):
        if part.currency_column is not None:
            yield part.currency_column


def takes_last(dataset: Dataset, measure: Measure) -> bool:
    return dataset.filters.date_column is not None and any(
        part.additive.time == "last" for part in aggregates(dataset, measure)
    )


def refuse_overlaps(
    dataset: Dataset, name: str, grouped_by: Sequence[str], filters: Sequence[Filter], pointer: str
) -> None:
    """Raise InvalidInput when the rows of a group would count one thing several times."""
    for part in aggregates(dataset, dataset.measures[name]):
        for column in part.additive.exceptions:
            if column in grouped_by or any(_pins(given, column) for given in filters):
                continue
            instead = dataset.instead.get(column, ())
            elsewhere = f", or ask {' or '.join(instead)}" if instead else ""
            raise InvalidInput(
                f"{name!r} cannot be added up over {column!r}: the same amount counts under "
                f"several of its values. Group by {column!r}, filter by one value{elsewhere}.",
                errors=[FieldError(pointer, f"is not additive over {column!r}")],
            )


def _pins(given: Filter, column: str) -> bool:
    """Whether the filter leaves a single value of the column."""
    if given.field != column:
        return False
    if given.op is Operator.IN and isinstance(given.value, list):
        return len(set(given.value)) <= 1
    return given.op is Operator.EQ or (given.op is Operator.IS_NULL and given.value is True)


def expression(dataset: Dataset, measure: Measure) -> Expression:
    """The measure over rows whose columns carry an underscore before their name."""
    if isinstance(measure, Ratio):
        return _ratio(dataset, measure)
    argument = "*" if measure.column is None else f'"_{measure.column}"'
    type_ = column_types.INTEGER
    if measure.column is not None and not measure.agg.startswith("count"):
        type_ = dataset.columns[measure.column].type
        if measure.agg == "sum" and type_.kind is Kind.DECIMAL:
            type_ = column_types.decimal(type_.scale)
    function = "count(DISTINCT {})" if measure.agg == "count_distinct" else f"{measure.agg}({{}})"
    sql = function.format(argument)
    if takes_last(dataset, measure):
        sql += f" FILTER (WHERE {LAST})"
    return Expression(sql, type_)


def _ratio(dataset: Dataset, measure: Ratio) -> Expression:
    """Exact decimal division, rounded half away from zero; DuckDB's own gives a double.

    Both sides become whole numbers, and the quotient of these gets its decimals back.
    """
    above, below = (expression(dataset, dataset.measures[part]) for part in measure.ratio)
    if Kind.NUMBER in {above.type.kind, below.type.kind}:
        return Expression(f"{above.sql} / nullif({below.sql}, 0)", column_types.NUMBER)
    scale = above.type.scale if measure.unit == "currency" else _RATIO_DECIMALS
    shift = below.type.scale - above.type.scale + scale
    a = _whole(above) + (f" * {10**shift}" if shift > 0 else "")
    b = _whole(below) + (f" * {10**-shift}" if shift < 0 else "")
    quotient = f"sign({a}) * sign({b}) * ((2 * abs({a}) + abs({b})) // nullif(2 * abs({b}), 0))"
    unit = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale + 1},{scale}))"
    return Expression(
        f"CAST(CAST({quotient} AS DECIMAL(38,0)) * {unit} AS DECIMAL(38,{scale}))",
        column_types.decimal(scale),
    )


def _whole(part: Expression) -> str:
    if part.type.kind is Kind.INTEGER:
        return f"CAST({part.sql} AS HUGEINT)"
    return f"CAST({part.sql} * {10**part.type.scale} AS HUGEINT)"
