"""Filters written as text, as a URL has them: ``amount[gte]=12.50``, ``vendor[in]=a,b``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.spec import Filter, Operator, Scalar

OF_SEVERAL = frozenset({Operator.IN, Operator.NOT_IN, Operator.BETWEEN, Operator.DURING})

_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class TextFilter:
    """`texts` are the values that it was given; of an operator on several each may be a list."""

    field: str
    op: Operator
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.field}[{self.op}]"


def typed(dataset: Dataset, given: TextFilter) -> Filter:
    """What cannot be read stays text, so that the compiler refuses it in its own words."""
    type_ = _type_of(dataset, given.field)
    return Filter(field=given.field, op=given.op, value=_value(given, type_))


def _type_of(dataset: Dataset, name: str) -> ColumnType | None:
    join, _, joined = name.rpartition(".")
    home = dataset.targets.get(join) if join else dataset
    column = home.columns.get(joined) if home else None
    return column.type if column else None


def _value(given: TextFilter, type_: ColumnType | None) -> Scalar | list[Scalar]:
    if given.op not in OF_SEVERAL:
        return _scalar(given.texts[0], given.op, type_)
    texts = [part.strip() for text in given.texts for part in text.split(",")]
    if given.op is Operator.DURING and len(texts) == 1:
        return texts[0]
    return [] if texts == [""] else [_scalar(text, given.op, type_) for text in texts]


def _scalar(text: str, op: Operator, type_: ColumnType | None) -> Scalar:
    kind = Kind.BOOLEAN if op is Operator.IS_NULL else type_ and type_.kind
    match kind:
        case Kind.BOOLEAN:
            return _BOOLEANS.get(text, text)
        case Kind.INTEGER if _INTEGER.fullmatch(text):
            return int(text)
        case Kind.NUMBER if _NUMBER.fullmatch(text):
            return float(text)
    return text
