"""Datasets: the marts that their dbt metadata declares queryable, checked before anyone asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backend.errors import did_you_mean
from backend.warehouse import column_types
from backend.warehouse.column_types import ColumnType
from backend.warehouse.dataset_checks import DatasetError, Tables, check
from backend.warehouse.lineage import Lineage, LineageReader
from backend.warehouse.manifest import MARTS, MARTS_BY_DATE, Mart, read_manifest, read_marts
from backend.warehouse.metadata import (
    Access,
    Aggregate,
    DatasetMeta,
    Filters,
    Join,
    Measure,
)

__all__ = ["Column", "Dataset", "DatasetError", "load_datasets"]

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Column:
    """`values` are all that it can hold, if there are few of them."""

    name: str
    type: ColumnType
    description: str
    is_nullable: bool = True
    values: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One queryable mart. `tests` is how many checks it passed before it was published.

    `targets` holds the datasets of `joins`. Where a measure counts one thing under each of several
    values of a column, `instead` names for that column the datasets in which it counts once.
    """

    id: str
    description: str
    meta: DatasetMeta
    columns: Mapping[str, Column]
    tests: int = 0
    lineage: Lineage = field(default_factory=Lineage, compare=False, repr=False)
    targets: dict[str, Dataset] = field(default_factory=dict, compare=False, repr=False)
    instead: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @property
    def friendly_name(self) -> str:
        return self.meta.friendly_name

    @property
    def access(self) -> Access:
        return self.meta.access

    @property
    def filters(self) -> Filters:
        return self.meta.filters

    @property
    def joins(self) -> Mapping[str, Join]:
        return self.meta.joins

    @property
    def measures(self) -> Mapping[str, Measure]:
        return self.meta.measures

    @property
    def relation(self) -> str:
        return f'"{MARTS}"."{self.id}"'

    @property
    def relation_by_date(self) -> str:
        """The same rows, by organization and date if they are stored in that order too."""
        return f'"{MARTS_BY_DATE if self.meta.by_date else MARTS}"."{self.id}"'


def load_datasets(
    manifest: Path | Mapping[str, Any], columns: Tables, copies: Tables | None = None
) -> dict[str, Dataset]:
    """Every dataset of a build, by id; `columns` are those of the built file.

    `copies` are those of its marts by date; None where there is no file yet.

    Raises DatasetError for the first fault. A table without metadata is a fault too: a mart is
    declared a dataset, or declared not to be one with ``dataset: false``.
    """
    content = read_manifest(manifest) if isinstance(manifest, Path) else manifest
    marts: dict[str, Mart] = {}
    for mart in read_marts(content):
        if mart.name in marts:
            raise DatasetError(mart.name, "name", "two models have it")
        marts[mart.name] = mart
    for table in columns:
        if table not in marts or "dataset" not in marts[table].meta:
            raise DatasetError(table, "dataset", "the mart declares neither true nor false")
    declared = [mart for mart in marts.values() if mart.meta.get("dataset", False) is not False]
    lineages = LineageReader(content)
    datasets = {mart.name: _load(mart, columns, lineages) for mart in declared}
    for dataset in datasets.values():
        check(dataset, datasets, columns if copies is None else copies)
        dataset.targets.update({name: datasets[join.to] for name, join in dataset.joins.items()})
        dataset.instead.update(_counted_once(dataset, datasets))
    return datasets


def _load(mart: Mart, columns: Tables, lineages: LineageReader) -> Dataset:
    if not _IDENTIFIER.fullmatch(mart.name):
        raise DatasetError(mart.name, "name", "is not a plain lower-case identifier")
    if mart.name not in columns:
        raise DatasetError(mart.name, "dataset", "has no table in the built file")
    if not mart.description.strip():
        raise DatasetError(mart.name, "description", "is missing")
    return Dataset(
        id=mart.name,
        description=mart.description.strip(),
        meta=_meta(mart),
        columns={column.name: column for column in _columns(mart, columns[mart.name])},
        tests=len(mart.tests),
        lineage=lineages.of(mart.unique_id),
    )


def _meta(mart: Mart) -> DatasetMeta:
    try:
        return DatasetMeta.model_validate(mart.meta)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = _without_variant([str(step) for step in first["loc"]])
        key, reason = ".".join(path), str(first["msg"])
        if first["type"] == "extra_forbidden":
            reason = "is not a known key"
            if len(path) == 1:
                reason += f". {did_you_mean(key, list(DatasetMeta.model_fields))}"
        raise DatasetError(mart.name, key, reason) from None


def _without_variant(path: list[str]) -> list[str]:
    """Pydantic names the variant of access or measure that it took; the yml has no such key."""
    match path:
        case ["access", _, *rest] if rest:
            return ["access", *rest]
        case ["measures", name, _, *rest] if rest:
            return ["measures", name, *rest]
    return path


def _columns(mart: Mart, types: Mapping[str, str]) -> Iterator[Column]:
    for name in mart.columns:
        if name not in types:
            raise DatasetError(mart.name, f"columns.{name}", "is described and is not in the table")
    for name, sql in types.items():
        key = f"columns.{name}"
        if not _IDENTIFIER.fullmatch(name):
            raise DatasetError(mart.name, key, "is not a plain lower-case identifier")
        type_ = column_types.parse(sql)
        if type_ is None:
            raise DatasetError(mart.name, key, f"has the type {sql}, which no answer can carry")
        declared = mart.columns.get(name)
        if declared is None or not declared.description.strip():
            raise DatasetError(mart.name, key, "has no description")
        description = declared.description.strip()
        yield Column(name, type_, description, declared.is_nullable, declared.values)


def _counted_once(
    dataset: Dataset, datasets: Mapping[str, Dataset]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A dataset that keeps the values of a column as a list has one row for all of them."""
    for measure in dataset.measures.values():
        for column in measure.additive.exceptions if isinstance(measure, Aggregate) else ():
            lists = tuple(
                other.id
                for other in datasets.values()
                if (listed := other.columns.get(f"{column}s")) and listed.type.is_list
            )
            yield column, lists
