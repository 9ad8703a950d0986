"""What a caller may count and add up in a dataset, and how far it can be added up."""

from __future__ import annotations

from dataclasses import dataclass

from backend.scope import Scope
from backend.warehouse.datasets import Dataset
from backend.warehouse.figures import answered, figure_of
from backend.warehouse.measures import aggregates, currency_columns, has_shares, takes_last
from backend.warehouse.metadata import Ratio
from backend.warehouse.visibility import is_hidden


@dataclass(frozen=True, slots=True)
class MeasureEntry:
    """`formula` reads like ``sum(amount)``; not to be added up over `not_additive_over`.

    `with_compare` and `with_share` are the further columns that it then has in an answer.
    """

    name: str
    type: str
    unit: str | None
    formula: str
    currency_column: str | None
    not_additive_over: tuple[str, ...]
    takes_last_value: bool
    additivity: str
    with_compare: tuple[str, ...]
    with_share: str | None
    fills_with_zero: bool


def measures(dataset: Dataset, scope: Scope) -> list[MeasureEntry]:
    """Those that read no column which is empty for the scope."""
    return [_measure(dataset, name) for name in dataset.measures if _may_read(dataset, name, scope)]


def _may_read(dataset: Dataset, name: str, scope: Scope) -> bool:
    measure = dataset.measures[name]
    read = {part.column for part in aggregates(dataset, measure)}
    read |= set(currency_columns(dataset, measure))
    return not any(column and is_hidden(dataset, column, scope) for column in read)


def _measure(dataset: Dataset, name: str) -> MeasureEntry:
    measure = dataset.measures[name]
    if isinstance(measure, Ratio):
        formula = " / ".join(measure.ratio)
    else:
        formula = f"{measure.agg}({measure.column or '*'})"
    figure = figure_of(dataset, name, has_share=has_shares(measure))
    plain = [column.name for column, _ in answered(figure, is_compared=False)]
    compared = [column.name for column, _ in answered(figure, is_compared=True)]
    return MeasureEntry(
        name=name,
        type=figure.type.name,
        unit=figure.unit,
        formula=formula,
        currency_column=measure.currency_column,
        not_additive_over=_overlaps(dataset, name),
        takes_last_value=takes_last(dataset, measure),
        additivity=_additivity(dataset, name),
        with_compare=tuple(column for column in compared if column not in plain),
        with_share=next((column for column in plain if column != name), None),
        fills_with_zero=figure.adds_up,
    )


def _overlaps(dataset: Dataset, name: str) -> tuple[str, ...]:
    parts = aggregates(dataset, dataset.measures[name])
    return tuple(dict.fromkeys(c for part in parts for c in part.additive.exceptions))


def _additivity(dataset: Dataset, name: str) -> str:
    """In words: what totals and longer periods do to it."""
    measure = dataset.measures[name]
    if isinstance(measure, Ratio):
        sentences = ["Divided anew for each group, never averaged."]
    elif not measure.is_additive:
        sentences = ["Taken anew for each group, never added up."]
    elif takes_last(dataset, measure):
        sentences = ["Over time the last value counts; adds up over everything else."]
    else:
        sentences = ["Adds up."]
    if isinstance(measure, Ratio) and takes_last(dataset, measure):
        sentences.append("Over time its last values count.")
    if overlaps := _overlaps(dataset, name):
        sentences.append(f"Not over {' and '.join(overlaps)}: group by it, or filter by one value.")
    if currencies := dict.fromkeys(currency_columns(dataset, measure)):
        sentences.append(f"Kept apart by {' and '.join(currencies)}.")
    return " ".join(sentences)
