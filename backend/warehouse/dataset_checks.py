"""What the metadata of a dataset must agree with: its table, itself, the other datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from backend.errors import did_you_mean
from backend.warehouse.column_types import NUMERIC, ORDERED, Kind
from backend.warehouse.manifest import MARTS_BY_DATE
from backend.warehouse.metadata import (
    AccountAccess,
    Aggregate,
    EveryoneAccess,
    Measure,
    PublicAccess,
    Ratio,
)
from backend.warehouse.name_checks import clashes

if TYPE_CHECKING:
    from backend.warehouse.datasets import Dataset


Tables = Mapping[str, Mapping[str, str]]  # table -> column -> DuckDB type


class DatasetError(Exception):
    """Metadata that must not be served; names the dataset, the key and the reason."""

    def __init__(self, dataset: str, key: str, reason: str) -> None:
        super().__init__(f"Dataset {dataset}: {key}: {reason}")
        self.dataset = dataset
        self.key = key
        self.reason = reason


def check(dataset: Dataset, datasets: Mapping[str, Dataset], copies: Tables) -> None:
    """Raise DatasetError for the first fault."""
    _check_columns_exist(dataset)
    for key, reason in clashes(dataset, datasets):
        raise DatasetError(dataset.id, key, reason)
    _check_filters(dataset)
    _check_copy(dataset, copies)
    _check_access(dataset)
    for name in dataset.measures:
        _check_measure(dataset, name)
    _check_units(dataset)
    for name in dataset.joins:
        _check_join(dataset, name, datasets)
    _check_circles(dataset, datasets)


def _check_columns_exist(dataset: Dataset) -> None:
    for key, column in _named_columns(dataset):
        if column not in dataset.columns:
            suggestion = did_you_mean(column, list(dataset.columns))
            raise DatasetError(dataset.id, key, f"there is no column {column!r}. {suggestion}")


def _named_columns(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Every column that the metadata names, with the key that names it."""
    for key, column in dataset.filters.model_dump(exclude_none=True).items():
        yield f"filters.{key}", column
    for key, value in dataset.access.model_dump().items():
        if key.endswith("_column"):
            yield f"access.{key}", value
    for column in dataset.access.restricted_columns:
        yield "access.restricted_columns", column
    for name, measure in dataset.measures.items():
        for key, column in _columns_of_measure(measure):
            yield f"measures.{name}.{key}", column
    for name, join in dataset.joins.items():
        yield f"joins.{name}.on", join.on


def _columns_of_measure(measure: Measure) -> Iterator[tuple[str, str]]:
    if measure.currency_column is not None:
        yield "currency_column", measure.currency_column
    if isinstance(measure, Aggregate):
        if measure.column is not None:
            yield "column", measure.column
        for column in measure.additive.exceptions:
            yield "additive.over.except", column


def _check_filters(dataset: Dataset) -> None:
    filters = dataset.filters
    _check_kind(dataset, "filters.date_column", filters.date_column, Kind.DATE)
    _check_kind(dataset, "filters.account_id_column", filters.account_id_column, Kind.UUID)
    _check_kind(dataset, "filters.tag_id_column", filters.tag_id_column, Kind.UUID, lists=True)
    if dataset.meta.time_grain is not None and filters.date_column is None:
        raise DatasetError(dataset.id, "time_grain", "needs filters.date_column")


def _check_copy(dataset: Dataset, copies: Tables) -> None:
    if not dataset.meta.by_date:
        return
    if dataset.filters.date_column is None:
        raise DatasetError(dataset.id, "by_date", "needs filters.date_column")
    columns = {name: column.type.sql for name, column in dataset.columns.items()}
    if copies.get(dataset.id) != columns:
        raise DatasetError(dataset.id, "by_date", f"there is no such table in {MARTS_BY_DATE}")


def _check_access(dataset: Dataset) -> None:
    access = dataset.access
    _check_restricted(dataset)
    if isinstance(access, PublicAccess):
        if "organization_id" in dataset.columns:
            raise DatasetError(dataset.id, "access.public", "its rows belong to organizations")
        return
    _check_kind(dataset, "access.organization_column", access.organization_column, Kind.UUID)
    if isinstance(access, EveryoneAccess):
        return
    _check_kind(dataset, "access.owner_column", access.owner_column, Kind.UUID)
    key = "account_column" if isinstance(access, AccountAccess) else "budget_column"
    _check_kind(dataset, f"access.{key}", access.shared_column, Kind.UUID)
    named = [access.organization_column, access.owner_column, access.shared_column]
    for column in named:
        if named.count(column) > 1:
            raise DatasetError(dataset.id, "access", f"names {column!r} twice")


def _check_restricted(dataset: Dataset) -> None:
    """What decides about rows, or keeps amounts and overlaps apart, is never empty to anybody."""
    restricted = set(dataset.access.restricted_columns)
    for key, column in _named_columns(dataset):
        part = key.rpartition(".")[2]
        if column in restricted and part not in {"restricted_columns", "column"}:
            reason = f"{column!r} is also {key}"
            raise DatasetError(dataset.id, "access.restricted_columns", reason)


def _check_kind(
    dataset: Dataset, key: str, column: str | None, kind: Kind, *, lists: bool = False
) -> None:
    if column is None:
        return
    type_ = dataset.columns[column].type
    if type_.kind is not kind or (type_.is_list and not lists):
        raise DatasetError(dataset.id, key, f"{column!r} is {type_.name}, it must be {kind}")


def _check_measure(dataset: Dataset, name: str) -> None:
    measure = dataset.measures[name]
    key = f"measures.{name}"
    if measure.unit == "currency" and measure.currency_column is None:
        raise DatasetError(dataset.id, key, "unit currency needs a currency_column")
    if measure.unit != "currency" and measure.currency_column is not None:
        raise DatasetError(dataset.id, key, "currency_column needs unit currency")
    _check_kind(dataset, f"{key}.currency_column", measure.currency_column, Kind.TEXT)
    if isinstance(measure, Ratio):
        _check_ratio(dataset, key, measure)
    else:
        _check_aggregate(dataset, key, measure)


def _check_ratio(dataset: Dataset, key: str, measure: Ratio) -> None:
    for part in measure.ratio:
        component = dataset.measures.get(part)
        if component is None:
            suggestion = did_you_mean(part, list(dataset.measures))
            raise DatasetError(dataset.id, f"{key}.ratio", f"no measure {part!r}. {suggestion}")
        if not isinstance(component, Aggregate) or not component.is_additive:
            raise DatasetError(dataset.id, f"{key}.ratio", f"{part!r} is not additive")
    _check_amounts(dataset, key, measure)


def _check_amounts(dataset: Dataset, key: str, measure: Ratio) -> None:
    """An amount per thing is an amount; an amount per amount of the same currency is a number."""
    above, below = (dataset.measures[part].currency_column for part in measure.ratio)
    if measure.currency_column != (above if below is None else None):
        raise DatasetError(dataset.id, f"{key}.unit", "is not that of its parts")
    if below is not None and above != below:
        reason = f"divides amounts in {above} by amounts in {below}"
        raise DatasetError(dataset.id, f"{key}.ratio", reason)


def _check_units(dataset: Dataset) -> None:
    """An amount of money is one in every measure of it: else currencies would be added up."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, measure in dataset.measures.items():
        if not isinstance(measure, Aggregate) or measure.agg in {"count", "count_distinct"}:
            continue
        known, currency = found.setdefault(measure.column or "", (name, measure.currency_column))
        if currency != measure.currency_column:
            reason = f"is in {currency or 'no currency'} in {known!r}"
            raise DatasetError(dataset.id, f"measures.{name}.currency_column", reason)


def _check_aggregate(dataset: Dataset, key: str, measure: Aggregate) -> None:
    if measure.column is None:
        if measure.agg != "count":
            raise DatasetError(dataset.id, key, f"{measure.agg} needs a column")
        if measure.unit == "currency":
            raise DatasetError(dataset.id, f"{key}.unit", "a count is not an amount of money")
        return
    column_key = f"{key}.column"
    type_ = dataset.columns[measure.column].type
    allowed = {"sum": NUMERIC, "min": ORDERED, "max": ORDERED}.get(measure.agg, frozenset(Kind))
    if type_.kind not in allowed or (type_.is_list and measure.agg != "count"):
        raise DatasetError(
            dataset.id, column_key, f"{measure.agg} over {measure.column!r}, which is {type_.name}"
        )
    if measure.unit == "currency" and type_.kind is not Kind.DECIMAL:
        raise DatasetError(dataset.id, column_key, f"money must be decimal, not {type_.name}")
    if "additive" in measure.model_fields_set and not measure.is_additive:
        raise DatasetError(dataset.id, f"{key}.additive", f"{measure.agg} cannot be added up")


def _check_join(dataset: Dataset, name: str, datasets: Mapping[str, Dataset]) -> None:
    join = dataset.joins[name]
    key = f"joins.{name}"
    target = datasets.get(join.to)
    if target is None:
        suggestion = did_you_mean(join.to, list(datasets))
        raise DatasetError(dataset.id, f"{key}.to", f"no dataset {join.to!r}. {suggestion}")
    if target.meta.group != "dimensions":
        raise DatasetError(dataset.id, f"{key}.to", f"{join.to!r} is not a dimension")
    if join.on not in target.columns:
        raise DatasetError(dataset.id, f"{key}.on", f"{join.to!r} has no column {join.on!r}")
    types = [each.columns[join.on].type for each in (dataset, target)]
    if types[0].kind is not types[1].kind or any(type_.is_list for type_ in types):
        reason = f"{join.on!r} is {types[0].name} here and {types[1].name} in {join.to!r}"
        raise DatasetError(dataset.id, f"{key}.on", reason)
    if isinstance(dataset.access, PublicAccess) and not isinstance(target.access, PublicAccess):
        raise DatasetError(dataset.id, key, "a public dataset cannot join one of tenants")
    if join.on in target.access.restricted_columns:
        raise DatasetError(dataset.id, f"{key}.on", f"{join.on!r} is restricted there")


def _check_circles(dataset: Dataset, datasets: Mapping[str, Dataset]) -> None:
    """A dimension does not lead back to itself."""
    reached = [dataset.id]
    for name in reached:  # grows while it is walked
        for key, join in datasets[name].joins.items():
            if join.to == dataset.id:
                where = f"joins.{key}.to" if name == dataset.id else "joins"
                raise DatasetError(dataset.id, where, f"{name} leads back to it")
            if join.to in datasets and join.to not in reached:
                reached.append(join.to)
