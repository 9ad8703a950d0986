"""The parameters of a dataset's GET, made into the one query contract."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError, model_validator

from api.schemas.analytics import FormatParameters, PageParameters, TagFilterParameters
from backend.errors import MAX_FAULTS, FieldError, InvalidInput, OutlayError, did_you_mean
from backend.warehouse.common_filters import CommonFilters
from backend.warehouse.spec import MAX_CONDITIONS, Operator, Order, QuerySpec
from backend.warehouse.text_filters import OF_SEVERAL, TextFilter

_ID_LISTS = frozenset({"account_ids", "tag_ids"})
_CONDITION = re.compile(r"([^\[\]]{1,200})\[([^\[\]]{0,100})\]")
_OPERATORS = [operator.value for operator in Operator]
_PLACE = re.compile(r"#/([a-z_]+)(?:/(\d+))?")
_MAX_REMEMBERED = 2_000  # characters
_NAMES = {"order": "sort"}  # what a parameter is called after it has become part of a query


class QueryParameters(FormatParameters, PageParameters, TagFilterParameters):
    """And any number of ``field[op]=value``."""

    model_config = ConfigDict(extra="allow")

    fields: str | None = Field(
        None,
        description="Columns of the answer, separated by commas; by default all.",
        examples=["booking_date,vendor,amount,currency"],
    )
    sort: str | None = Field(
        None,
        description="Columns to sort by, separated by commas; a minus before one turns it round.",
        examples=["-amount,booking_date"],
    )
    time_zone: str | None = Field(
        None,
        description="Whose days are meant; by default the organization's.",
        json_schema_extra={"format": "time-zone"},
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Here in place of the inherited one, which would refuse the conditions."""
        unknown = [n for n in given if n not in cls.model_fields and _condition(n) is None]
        if unknown:
            faults = [
                FieldError(_printable(name), _advice(name, list(cls.model_fields)))
                for name in unknown[:MAX_FAULTS]
            ]
            raise InvalidInput("There is no such parameter.", errors=faults)
        return given

    def common(self) -> CommonFilters:
        given = self.model_extra or {}
        if len(given) > MAX_CONDITIONS:
            raise InvalidInput(
                f"A query has at most {MAX_CONDITIONS} conditions.",
                errors=[FieldError(_printable(next(iter(given))), "and many others")],
            )
        texts = tuple(
            TextFilter(*condition, (value,) if isinstance(value, str) else tuple(value))
            for name, value in given.items()
            if (condition := _condition(name))
        )
        return replace(super().common(), texts=texts)

    def spec(self, dataset: str) -> QuerySpec:
        return QuerySpec(
            dataset=dataset,
            fields=_listed(self.fields),
            order=tuple(
                Order(field=name.removeprefix("-"), descending=name.startswith("-"))
                for name in _listed(self.sort)
            ),
            time_zone=self.time_zone,
            **self.page(),
        )


@dataclass(frozen=True, slots=True)
class SimpleQuery:
    spec: QuerySpec
    common: CommonFilters
    format: str | None


def simple_query(request: Request, dataset: str) -> SimpleQuery:
    """What the parameters of the request ask of the dataset."""
    text: bytes = request.scope["query_string"]
    read = _read_once if len(text) <= _MAX_REMEMBERED else _read
    return read(text, dataset)


def _read(query_string: bytes, dataset: str) -> SimpleQuery:
    given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    _refuse_repetition([name for name, _ in given])
    several: dict[str, list[str]] = {}
    for name, value in given:
        several.setdefault(name, []).append(value)
    values = {name: all_ if _takes_several(name) else all_[0] for name, all_ in several.items()}
    try:
        parameters = QueryParameters.model_validate(values)
    except ValidationError as error:
        faults = [fault | {"loc": ("query", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
    with naming_parameters():
        return SimpleQuery(parameters.spec(dataset), parameters.common(), parameters.format)


# Reading them costs as much as all the rest of an answer that is kept.
_read_once = lru_cache(maxsize=1_000)(_read)


def documented() -> dict[str, Any]:
    """The parameters of `simple_query` in the OpenAPI document."""
    fields = QueryParameters.model_json_schema()["properties"]
    parameters = []
    for name, schema in fields.items():
        described = {key: schema.pop(key) for key in ("description",) if key in schema}
        place = {"name": name, "in": "query", "required": False}
        parameters.append(place | described | {"schema": schema})
    return {"parameters": parameters}


async def refuse_repetition(request: Request) -> None:
    _refuse_repetition([name for name, _ in request.query_params.multi_items()])


def _refuse_repetition(names: Sequence[str]) -> None:
    """Of two values for one parameter, one would be ignored."""
    if len(names) == len(set(names)):
        return
    counts = Counter(names)
    repeated = sorted(n for n, count in counts.items() if count > 1 and not _takes_several(n))
    if repeated:
        faults = [FieldError(_printable(name), "Give it once.") for name in repeated[:MAX_FAULTS]]
        raise InvalidInput("A parameter was given twice.", errors=faults)


@contextmanager
def naming_parameters(texts: Sequence[TextFilter] = ()) -> Iterator[None]:
    """Errors point to parameters instead of to parts of the query that they became."""
    try:
        yield
    except OutlayError as error:
        error.errors = tuple(
            replace(fault, pointer=_parameter(fault.pointer, texts)) for fault in error.errors
        )
        raise


def _parameter(pointer: str, texts: Sequence[TextFilter]) -> str:
    place = _PLACE.match(pointer)
    if place is None:
        return pointer
    part, index = place[1], place[2]
    if part == "filters" and index and int(index) < len(texts):
        return _printable(texts[int(index)].name)
    return _NAMES.get(part, part)


def _listed(names: str | None) -> tuple[str, ...]:
    return () if names is None else tuple(name.strip() for name in names.split(","))


def _condition(name: str) -> tuple[str, Operator] | None:
    found = _CONDITION.fullmatch(name)
    return (found[1], Operator(found[2])) if found and found[2] in _OPERATORS else None


def _takes_several(name: str) -> bool:
    condition = _condition(name)
    return name in _ID_LISTS or (condition is not None and condition[1] in OF_SEVERAL)


def _advice(name: str, known: list[str]) -> str:
    if condition := _CONDITION.fullmatch(name):
        if not condition[2] and condition[1] in _ID_LISTS:
            return f"Write it without brackets: {condition[1]}=…,…"
        return f"There is no such operator. {did_you_mean(condition[2], _OPERATORS)}"
    if name in QuerySpec.model_fields:
        return "POST the query as JSON to this path: it takes the whole of it."
    advice = did_you_mean(name, known)
    if not advice.startswith("Did"):
        advice += " A filter on a column is written column[operator]=value."
    return advice


def _printable(name: str) -> str:
    """Without what could disguise the text around it."""
    return name[:100] if name.isascii() and name.isprintable() else ascii(name[:100])[1:-1]
