"""No name of a dataset may be that of something which a query makes, or stand for two things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from backend.periods import Grain
from backend.warehouse.column_types import DATED
from backend.warehouse.metadata import Aggregate
from backend.warehouse.names import BASE, CHANGE, DELTA, PREVIOUS, ROWID, SHARE
from backend.warehouse.spec import Dimension

if TYPE_CHECKING:
    from backend.warehouse.datasets import Dataset

Clash = tuple[str, str]  # the key that is at fault, and the reason


def clashes(dataset: Dataset, datasets: Mapping[str, Dataset]) -> Iterator[Clash]:
    if ROWID in dataset.columns:
        yield f"columns.{ROWID}", "is DuckDB's word for the place of a row"
    if BASE in dataset.joins:
        yield f"joins.{BASE}", "is what queries call the rows of the dataset itself"
    for name, measure in dataset.measures.items():
        is_about_it = not isinstance(measure, Aggregate) or measure.column == name
        if name in dataset.columns and not is_about_it:
            yield f"measures.{name}", "is also a column, which it does not aggregate"
    yield from _made_names(dataset)
    for other in datasets.values():
        if other.id < dataset.id and other.friendly_name == dataset.friendly_name:
            yield "friendly_name", f"is that of {other.id}, too"


def _made_names(dataset: Dataset) -> Iterator[Clash]:
    """What an answer calls a measure compared or shared, and a date by its period."""
    for name in dataset.measures:
        for suffix in (PREVIOUS, DELTA, CHANGE, SHARE):
            yield from _taken(dataset, f"{name}{suffix}", f"the measure {name!r} beside itself")
    for column in dataset.columns.values():
        for grain in Grain if column.type.kind in DATED else ():
            made = Dimension(column=column.name, grain=grain).name
            yield from _taken(dataset, made, f"{column.name!r} by {grain}")


def _taken(dataset: Dataset, made: str, what: str) -> Iterator[Clash]:
    for key, names in (("columns", dataset.columns), ("measures", dataset.measures)):
        if made in names:
            yield f"{key}.{made}", f"is what answers call {what}"
