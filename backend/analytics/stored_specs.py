"""Queries as they are kept: what was sent, read again under the contract and the marts of today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from backend.errors import Conflict, FieldError, InvalidInput, NotFound, OutlayError
from backend.periods import Calendar
from backend.scope import Scope
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_query
from backend.warehouse.datasets import Dataset
from backend.warehouse.registry import find_dataset
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import QuerySpec

SPEC_VERSION = 1  # of the contract: a change that gives an old spec another meaning raises it


class SpecStatus(StrEnum):
    OK = "ok"
    BROKEN = "broken"
    UNCHECKED = "unchecked"  # there is no generation to check it against


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a kept spec can be asked; each problem names what is wrong and what there is."""

    status: SpecStatus
    problems: tuple[FieldError, ...] = ()


def kept(spec: QuerySpec) -> dict[str, Any]:
    """As it was sent: what was left to the defaults is left to those of the day it is asked."""
    return spec.model_dump(mode="json", exclude_unset=True)


def read_spec(stored: Mapping[str, Any], version: int = SPEC_VERSION) -> QuerySpec:
    """Raises InvalidInput for what the contract of today does not have."""
    if version > SPEC_VERSION:
        raise InvalidInput("It was saved by a later version of Outlay.")
    try:
        return QuerySpec.model_validate(stored)
    except ValidationError as error:
        faults = [FieldError(_pointer(e["loc"]), f"{e['msg']}.") for e in error.errors()]
        raise InvalidInput("It is no valid query any more.", errors=faults) from None


def compile_spec(
    datasets: Mapping[str, Dataset],
    spec: QuerySpec,
    scope: Scope,
    now: datetime,
    paging: Paging | None = None,
) -> Compiled:
    """Raises NotFound for the dataset, and whatever resolving and compiling raise."""
    dataset = find_dataset(datasets, spec.dataset)
    calendar = Calendar(scope.time_zone, scope.fiscal_year_start_month)
    return compile_query(dataset, resolve(dataset, spec, now, calendar), scope, paging)


def standing(
    datasets: Mapping[str, Dataset] | None,
    stored: Mapping[str, Any],
    version: int,
    scope: Scope,
    now: datetime,
) -> Standing:
    """For this scope: another may see columns that this one does not."""
    try:
        spec = read_spec(stored, version)
        if datasets is None:
            return Standing(SpecStatus.UNCHECKED)
        compile_spec(datasets, spec, scope, now)
    except OutlayError as error:
        return Standing(SpecStatus.BROKEN, problems_of(error))
    return Standing(SpecStatus.OK)


def check(
    datasets: Mapping[str, Dataset] | None, spec: QuerySpec, scope: Scope, now: datetime
) -> None:
    """Raise InvalidInput for what the marts do not have; whatever there may be without any."""
    if datasets is not None:
        with under("#/spec"):
            compile_spec(datasets, spec, scope, now)


def reread(stored: Mapping[str, Any], version: int, given: Mapping[str, Any]) -> QuerySpec:
    """The kept spec, asked otherwise by what is `given`.

    Conflict when it cannot be read any more, InvalidInput for what is given.
    """
    try:
        spec = read_spec(stored, version)
    except InvalidInput as error:
        raise broken(problems_of(error)) from None
    asked = {name: getattr(spec, name) for name in spec.model_fields_set}
    if "cursor" in given:
        asked.pop("offset", None)
    return QuerySpec.model_validate(asked | dict(given))


def broken(problems: Sequence[FieldError]) -> Conflict:
    told = " ".join(dict.fromkeys(problem.detail for problem in problems))
    return Conflict(f"The saved query cannot be run any more. {told}", errors=problems)


def problems_of(error: OutlayError, root: str = "#") -> tuple[FieldError, ...]:
    """Where a spec under `root` is at fault, each in words that stand alone."""
    if isinstance(error, NotFound):
        return (FieldError(f"{root}/dataset", error.detail),)
    return tuple(
        FieldError(f"{root}{fault.pointer.removeprefix('#')}", _sentence(error, fault))
        for fault in error.errors or (FieldError("#", error.detail),)
    )


def _sentence(error: OutlayError, fault: FieldError) -> str:
    if fault.detail in error.detail:
        return error.detail
    if fault.detail[:1].isupper():
        return f"{error.detail} {fault.detail}"
    return f"{error.detail.rstrip('.')} ({fault.detail})."


def _pointer(location: tuple[int | str, ...]) -> str:
    """Without the kinds of conditions, which Pydantic puts between the steps."""
    steps = [str(s) for n, s in enumerate(location) if not (n and _is_kind(location[n - 1], s))]
    return "/".join(["#", *steps])


def _is_kind(before: int | str, step: int | str) -> bool:
    return isinstance(before, int) and step in {"filter", "and", "or"}


def require_whole(spec: QuerySpec) -> None:
    """What is kept begins at its first row: a cursor is of one generation."""
    if spec.cursor is not None:
        raise InvalidInput(
            "The query goes on from a cursor.",
            errors=[FieldError("#/cursor", "Leave it out: it is of one answer only.")],
        )


@contextmanager
def under(root: str) -> Iterator[None]:
    """What a body holds at `root` is at fault there; an unknown dataset is a fault as well."""
    try:
        yield
    except InvalidInput as error:
        faults = [
            FieldError(f"{root}{fault.pointer.removeprefix('#')}", fault.detail)
            for fault in error.errors
        ]
        raise InvalidInput(error.detail, errors=faults) from None
    except NotFound as error:
        fault = FieldError(f"{root}/dataset", "There is no such dataset.")
        raise InvalidInput(error.detail, errors=[fault]) from None
