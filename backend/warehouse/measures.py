"""Measures in SQL, and the refusal to add up what cannot be added up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.warehouse import column_types
from backend.warehouse.aggregation import Reading
from backend.warehouse.column_types import Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.expressions import Expression, quotient
from backend.warehouse.metadata import Aggregate, Measure, Ratio
from backend.warehouse.spec import Condition, Filter, Operator


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


def has_shares(measure: Measure) -> bool:
    """Whether groups have parts of a whole."""
    return isinstance(measure, Aggregate) and measure.is_additive


def refuse_overlaps(
    dataset: Dataset,
    name: str,
    grouped_by: Sequence[str],
    conditions: Sequence[Condition],
    pointer: str,
    *,
    in_totals: bool,
) -> None:
    """Raise InvalidInput when a group would count one thing twice, or what does not go together.

    `in_totals` if it sums up other groups, and it is these sums that cannot be.
    """
    for part in aggregates(dataset, dataset.measures[name]):
        for column in part.additive.exceptions:
            if column in grouped_by or any(_pins(given, column) for given in conditions):
                continue
            instead = dataset.instead.get(column, ())
            elsewhere = f", or ask {' or '.join(instead)}" if instead else ""
            way_out = "Leave totals out" if in_totals else f"Group by {column!r}"
            raise InvalidInput(
                f"{name!r} cannot be added up over {column!r}: what counts under several of its "
                f"values overlaps or does not go together. {way_out}, filter by one "
                f"value{elsewhere}.",
                errors=[FieldError(pointer, f"is not additive over {column!r}")],
            )


def _pins(given: Condition, column: str) -> bool:
    """Whether the filter leaves a single value of the column."""
    if not isinstance(given, Filter) or given.field != column:
        return False
    if given.op is Operator.IN and isinstance(given.value, list):
        return len(set(given.value)) <= 1
    return given.op is Operator.EQ or (given.op is Operator.IS_NULL and given.value is True)


def expression(dataset: Dataset, measure: Measure, read: Reading | None = None) -> Expression:
    """The measure over rows whose columns carry an underscore before their name."""
    if isinstance(measure, Ratio):
        above, below = (expression(dataset, dataset.measures[part], read) for part in measure.ratio)
        return quotient(above, below, above.type.scale if measure.unit == "currency" else None)
    type_ = column_types.INTEGER
    if measure.column is not None and not measure.agg.startswith("count"):
        type_ = dataset.columns[measure.column].type
        if measure.agg == "sum" and type_.kind is Kind.DECIMAL:
            type_ = column_types.decimal(type_.scale)
    return Expression((read or Reading()).sql(measure), type_)
