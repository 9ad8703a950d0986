"""What each operator of a filter is in SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Never
from zoneinfo import ZoneInfo

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.warehouse.column_types import DATED, ORDERED, ColumnType, Kind
from backend.warehouse.parameters import Parameters
from backend.warehouse.spec import And, Condition, Filter, Operator
from backend.warehouse.values import read_date, read_value

MAX_VALUES = 1_000  # of one list

_SQL = {
    Operator.EQ: "{0} = {1}",
    Operator.NE: "{0} IS DISTINCT FROM {1}",
    Operator.GTE: "{0} >= {1}",
    Operator.LTE: "{0} <= {1}",
    Operator.GT: "{0} > {1}",
    Operator.LT: "{0} < {1}",
    Operator.CONTAINS: "contains(lower({0}), lower({1}))",
    Operator.STARTS_WITH: "starts_with(lower({0}), lower({1}))",
}
_ANYTHING = {Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.IS_NULL}
_RANGES = {Operator.GTE, Operator.LTE, Operator.GT, Operator.LT, Operator.BETWEEN}
_LISTS = {Operator.IN, Operator.NOT_IN, Operator.CONTAINS, Operator.IS_NULL}


def operators(type_: ColumnType) -> list[Operator]:
    """The operators that a column of this type has."""
    if type_.is_list:
        allowed = _LISTS
    elif type_.kind in DATED:
        allowed = _ANYTHING | _RANGES | {Operator.DURING}
    elif type_.kind in ORDERED:
        allowed = _ANYTHING | _RANGES
    elif type_.kind is Kind.TEXT:
        allowed = _ANYTHING | {Operator.CONTAINS, Operator.STARTS_WITH}
    else:
        allowed = _ANYTHING
    return [operator for operator in Operator if operator in allowed]


def combined(condition: Condition, pointer: str, predicate_of: Callable[[Filter, str], str]) -> str:
    """The tree in SQL; `predicate_of` a filter and its JSON pointer is a leaf."""
    if isinstance(condition, Filter):
        return predicate_of(condition, pointer)
    word = "and" if isinstance(condition, And) else "or"
    parts = [
        combined(part, f"{pointer}/{word}/{index}", predicate_of)
        for index, part in enumerate(condition.conditions)
    ]
    return f"({f' {word.upper()} '.join(parts)})"


def predicate(
    column: str,
    type_: ColumnType,
    given: Filter,
    parameters: Parameters,
    pointer: str,
    *,
    time_zone: str = "UTC",
) -> str:
    """A condition on `column`, which is SQL already; raises InvalidInput.

    The days of an instant are those of `time_zone`. It may be null where the column is.
    """
    allowed = operators(type_)
    if given.op not in allowed:
        raise InvalidInput(
            f"{given.field!r} is {type_.name} and has no operator {given.op.value!r}.",
            errors=[FieldError(f"{pointer}/op", did_you_mean(given.op, allowed))],
        )
    match given.op:
        case Operator.IS_NULL:
            return _is_null(column, type_, given, pointer)
        case Operator.IN | Operator.NOT_IN:
            found = _is_any_of(column, type_, given, parameters, pointer)
            return found if given.op is Operator.IN else f"NOT coalesce({found}, false)"
        case Operator.BETWEEN:
            low, high = _both(given, type_, pointer)
        case Operator.DURING:
            days = read_days(given, pointer)
            if type_.kind is not Kind.DATE:
                start, end = _instants(days, time_zone, pointer)
                return (
                    f"({column} >= {parameters.bind(start)} AND {column} < {parameters.bind(end)})"
                )
            low, high = days
        case _:
            value = bind_value(read_value(given.value, type_, f"{pointer}/value"), parameters)
            if type_.is_list:
                return f"list_contains({column}, {value})"
            return _SQL[given.op].format(column, value)
    return f"{column} BETWEEN {bind_value(low, parameters)} AND {bind_value(high, parameters)}"


def bind_value(value: object, parameters: Parameters) -> str:
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
        _refuse(f"{pointer}/value", f"must have at most {MAX_VALUES} values; ask in parts")
    if not given.value:
        return "false"
    values = [read_value(v, type_, f"{pointer}/value/{i}") for i, v in enumerate(given.value)]
    if type_.kind is Kind.DECIMAL:
        texts = parameters.bind([f"{value:f}" for value in values])
        listed = f"CAST({texts} AS DECIMAL(38,12)[])"
    else:
        listed = parameters.bind(values)
    return f"list_has_any({column}, {listed})" if type_.is_list else f"{column} = ANY({listed})"


def _both(given: Filter, type_: ColumnType, pointer: str) -> tuple[object, object]:
    if not isinstance(given.value, list) or len(given.value) != 2:  # noqa: PLR2004
        _refuse(f"{pointer}/value", "must be a list of the lowest and the highest value")
    low, high = (read_value(value, type_, f"{pointer}/value") for value in given.value)
    if low > high:  # type: ignore[operator]  # both are of the column's one type
        _refuse(f"{pointer}/value", "the lowest value comes first")
    return low, high


def read_days(given: Filter, pointer: str) -> tuple[date, date]:
    """The first and the last day of a ``during`` whose name has been resolved."""
    if not isinstance(given.value, list) or len(given.value) != 2:  # noqa: PLR2004
        _refuse(f"{pointer}/value", "must be a name such as last_month, or the first and last day")
    try:
        first, last = (read_date(day) for day in given.value)
    except ValueError as error:
        _refuse(f"{pointer}/value", str(error))
    if first > last:
        _refuse(f"{pointer}/value", "the first day comes first")
    return first, last


def _instants(days: tuple[date, date], time_zone: str, pointer: str) -> tuple[datetime, datetime]:
    """When the first day begins in the time zone, and when the last one has ended."""
    first, last = days
    zone = ZoneInfo(time_zone)
    try:
        start = datetime.combine(first, time(), zone)
        end = datetime.combine(last + timedelta(days=1), time(), zone)
        return start.astimezone(UTC), end.astimezone(UTC)
    except OverflowError:
        _refuse(f"{pointer}/value", "must lie in the years 1 to 9999")


def _refuse(pointer: str, reason: str) -> Never:
    raise InvalidInput("A filter is not valid.", errors=[FieldError(pointer, reason)])
