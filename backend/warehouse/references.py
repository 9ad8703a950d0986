"""What the names in a query stand for: columns of the dataset, and of the dimensions it joins."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import FieldError, Forbidden, InvalidInput, did_you_mean
from backend.scope import Scope
from backend.warehouse.datasets import Column, Dataset
from backend.warehouse.names import BASE
from backend.warehouse.visibility import guarding_join, is_hidden


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that a query names: the dataset's own, or of the dimension that `join` leads to."""

    name: str
    dataset: Dataset
    column: Column
    join: str | None

    @property
    def sql(self) -> str:
        return f'"{self.join or BASE}"."{self.column.name}"'


def find(dataset: Dataset, scope: Scope, name: str, pointer: str) -> Reference:
    """Raises InvalidInput, at `pointer`, for a name that the dataset does not have."""
    if reference := _own(dataset, scope, name):
        return reference
    join, _, joined_name = name.partition(".")
    target = dataset.targets.get(join)
    if target and (column := target.columns.get(joined_name)):
        return Reference(name, target, column, join)
    raise InvalidInput(
        f"Dataset {dataset.id} has no column {name[:100]!a}.",
        errors=[FieldError(pointer, did_you_mean(name, _names(dataset)))],
    )


def is_own(dataset: Dataset, scope: Scope, name: str) -> bool:
    """Whether it is read off the rows of the dataset alone."""
    reference = _own(dataset, scope, name)
    return reference is not None and reference.join is None


def refuse_hidden(reference: Reference, scope: Scope, pointer: str) -> None:
    if is_hidden(reference.dataset, reference.column.name, scope):
        raise Forbidden(
            f"{reference.name!r} is for those who see the whole organization.",
            errors=[FieldError(pointer, "cannot be filtered, sorted or grouped by")],
        )


def _own(dataset: Dataset, scope: Scope, name: str) -> Reference | None:
    column = dataset.columns.get(name)
    if column is None:
        return None
    join = guarding_join(dataset, name, scope)
    if join is None:
        return Reference(name, dataset, column, None)
    target = dataset.targets[join]
    return Reference(name, target, target.columns[name], join)


def _names(dataset: Dataset) -> list[str]:
    joined = [f"{name}.{c}" for name, target in dataset.targets.items() for c in target.columns]
    return [*dataset.columns, *joined]
