"""The filters that most datasets share, on whichever columns their metadata names for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from backend.errors import FieldError, InvalidInput
from backend.periods import Grain
from backend.warehouse.datasets import Dataset
from backend.warehouse.spec import Filter, Operator
from backend.warehouse.text_filters import TextFilter, typed

_COLUMNS = {
    "start_date": "date_column",
    "end_date": "date_column",
    "account_ids": "account_id_column",
    "tag_ids": "tag_id_column",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonFilters:
    """None filters nothing; an empty tuple of ids leaves no rows. Both dates are included.

    Where rows stand for months, the first month that the range touches counts whole. `texts` are
    on columns of the dataset's own.
    """

    start_date: date | None = None
    end_date: date | None = None
    account_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    texts: tuple[TextFilter, ...] = ()


NO_FILTERS = CommonFilters()


def parameters_of(dataset: Dataset) -> dict[str, str]:
    """The common filters that the dataset has, and the column that each acts on."""
    columns = {name: getattr(dataset.filters, key) for name, key in _COLUMNS.items()}
    return {name: column for name, column in columns.items() if column is not None}


def filters_for(
    dataset: Dataset, common: CommonFilters, datasets: Iterable[Dataset]
) -> tuple[Filter, ...]:
    """Those of `texts` come first, in their order.

    Raises InvalidInput for a filter that the dataset lacks, naming the datasets with it.
    """
    if common.start_date and common.end_date and common.start_date > common.end_date:
        raise InvalidInput(
            "The dates are reversed.",
            errors=[FieldError("end_date", f"is before start_date, {common.start_date}")],
        )
    has = parameters_of(dataset)
    for name in _COLUMNS:
        if getattr(common, name) is not None and name not in has:
            others = [other.id for other in datasets if name in parameters_of(other)]
            raise InvalidInput(
                f"Dataset {dataset.id} cannot be filtered by {name}.",
                errors=[FieldError(name, f"These datasets have it: {', '.join(sorted(others))}.")],
            )
    return (*(typed(dataset, text) for text in common.texts), *_filters(dataset, common))


def _filters(dataset: Dataset, common: CommonFilters) -> Iterator[Filter]:
    columns = dataset.filters
    if columns.date_column:
        if common.start_date:
            grain = dataset.meta.time_grain or Grain.DAY
            first = grain.first_day(common.start_date)
            yield Filter(field=columns.date_column, op=Operator.GTE, value=first)
        if common.end_date:
            yield Filter(field=columns.date_column, op=Operator.LTE, value=common.end_date)
    if columns.account_id_column and common.account_ids is not None:
        yield Filter(field=columns.account_id_column, op=Operator.IN, value=[*common.account_ids])
    if columns.tag_id_column and common.tag_ids is not None:
        yield Filter(field=columns.tag_id_column, op=Operator.IN, value=[*common.tag_ids])
