"""What each operator of a filter is in SQL."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Never

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.warehouse.column_types import ORDERED, ColumnType, Kind
from backend.warehouse.parameters import Parameters
from backend.warehouse.spec import Filter, Operator
from backend.warehouse.values import read_value

MAX_VALUES = 1_000  # of one list

_COMPARISONS = {
    Operator.EQ: "=",
    Operator.NE: "IS DISTINCT FROM",
    Operator.GTE: ">=",
    Operator.LTE: "<=",
    Operator.GT: ">",
    Operator.LT: "<",
}
_ANYTHING = {Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.IS_NULL}
_RANGES = {Operator.GTE, Operator.LTE, Operator.GT, Operator.LT, Operator.BETWEEN}
_LISTS = {Operator.IN, Operator.NOT_IN, Operator.CONTAINS, Operator.IS_NULL}


def operators(type_: ColumnType) -> list[Operator]:
    """The operators that a column of this type has."""
    if type_.is_list:
        allowed = _LISTS
    elif type_.kind in ORDERED:
        allowed = _ANYTHING | _RANGES
    elif type_.kind is Kind.TEXT:
        allowed = _ANYTHING | {Operator.CONTAINS}
    else:
        allowed = _ANYTHING
    return [operator for operator in Operator if operator in allowed]


def predicate(
    column: str, type_: ColumnType, given: Filter, parameters: Parameters, pointer: str
) -> str:
    """A condition on `column`, which is SQL already; raises InvalidInput."""
    allowed = operators(type_)
    if given.op not in allowed:
        raise InvalidInput(
            f"{given.field!r} is {type_.name} and has no operator {given.op.value!r}.",
            errors=[FieldError(f"{pointer}/op", did_you_mean(given.op, allowed))],
        )

    def bind(value: object) -> str:
        return _bind(read_value(value, type_, f"{pointer}/value"), parameters)

    if given.op is Operator.IS_NULL:
        return _is_null(column, type_, given, pointer)
    if given.op in {Operator.IN, Operator.NOT_IN}:
        condition = _is_any_of(column, type_, given, parameters, pointer)
        return condition if given.op is Operator.IN else f"NOT coalesce({condition}, false)"
    if given.op is Operator.BETWEEN:
        return _between(column, type_, given, bind, pointer)
    value = bind(given.value)
    if given.op is Operator.CONTAINS:
        if type_.is_list:
            return f"list_contains({column}, {value})"
        return f"contains(lower({column}), lower({value}))"
    return f"{column} {_COMPARISONS[given.op]} {value}"


def _bind(value: object, parameters: Parameters) -> str:
    if isinstance(value, Decimal):  # as text: DuckDB would take one of many digits as a double
        return f"CAST({parameters.bind(format(value, 'f'))} AS DECIMAL(38,12))"
    return parameters.bind(value)


def _is_null(column: str, type_: ColumnType, given: Filter, pointer: str) -> str:
    """A list without elements is no value either."""
    if not isinstance(given.value, bool):
        _refuse(f"{pointer}/value", "must be true or false")
    if type_.is_list:
        return f"coalesce(len({column}), 0) {'=' if given.value else '>'} 0"
    return f"{column} IS {'' if given.value else 'NOT '}NULL"


def _is_any_of(
    column: str, type_: ColumnType, given: Filter, parameters: Parameters, pointer: str
) -> str:
    if not isinstance(given.value, list):
        _refuse(f"{pointer}/value", "must be a list")
    if len(given.value) > MAX_VALUES:
        _refuse(f"{pointer}/value", f"must have at most {MAX_VALUES} values")
    if not given.value:
        return "false"
    values = [read_value(v, type_, f"{pointer}/value/{i}") for i, v in enumerate(given.value)]
    if type_.kind is Kind.DECIMAL:
        texts = parameters.bind([f"{value:f}" for value in values])
        listed = f"CAST({texts} AS DECIMAL(38,12)[])"
    else:
        listed = parameters.bind(values)
    return f"list_has_any({column}, {listed})" if type_.is_list else f"{column} = ANY({listed})"


def _between(
    column: str, type_: ColumnType, given: Filter, bind: Callable[[object], str], pointer: str
) -> str:
    if not isinstance(given.value, list) or len(given.value) != 2:  # noqa: PLR2004
        _refuse(f"{pointer}/value", "must be a list of the lowest and the highest value")
    low, high = (read_value(value, type_, f"{pointer}/value") for value in given.value)
    if low > high:  # type: ignore[operator]  # both are of the column's one type
        _refuse(f"{pointer}/value", "the lowest value comes first")
    return f"{column} BETWEEN {bind(low)} AND {bind(high)}"


def _refuse(pointer: str, reason: str) -> Never:
    raise InvalidInput("A filter is not valid.", errors=[FieldError(pointer, reason)])
