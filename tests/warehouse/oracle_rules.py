"""What the oracle knows of single values: who sees a row, when a filter holds, how to divide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.periods import Grain
from backend.scope import Role, Scope
from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import AccountAccess, BudgetAccess, PublicAccess
from backend.warehouse.spec import And, Condition, Filter, Operator

Row = dict[str, Any]
WHOLE = {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST}


def may_see(dataset: Dataset, row: Row, scope: Scope) -> bool:
    access = dataset.access
    if isinstance(access, PublicAccess):
        return True
    if row[access.organization_column] != scope.organization_id:
        return False
    if not isinstance(access, AccountAccess | BudgetAccess) or scope.role in WHOLE:
        return True
    is_account = isinstance(access, AccountAccess)
    shared = scope.shared_account_ids if is_account else scope.shared_budget_ids
    return row[access.owner_column] == scope.user_id or row[access.shared_column] in shared


def holds(
    condition: Condition, value_of: Callable[[str], tuple[Any, ColumnType]], time_zone: str
) -> bool:
    if not isinstance(condition, Filter):
        parts = [holds(part, value_of, time_zone) for part in condition.conditions]
        return all(parts) if isinstance(condition, And) else any(parts)
    value, type_ = value_of(condition.field)
    return _meets(value, type_, condition, time_zone)


def _meets(value: Any, type_: ColumnType, given: Filter, time_zone: str) -> bool:
    asked: Any = given.value
    if given.op is Operator.IS_NULL:
        return (value is None or value == []) == asked
    wanted: Any = (
        [_read(v, type_) for v in asked] if isinstance(asked, list) else _read(asked, type_)
    )
    if given.op in {Operator.IN, Operator.NOT_IN}:
        values = (value or []) if type_.is_list else [value]
        is_in = any(v in wanted for v in values if v is not None)
        return is_in == (given.op is Operator.IN)
    if given.op is Operator.NE:
        return bool(value != wanted)
    if value is None:
        return False
    if given.op is Operator.DURING:
        wanted = [_read(day, _DAY) for day in asked]
        if isinstance(value, datetime):
            value = value.astimezone(ZoneInfo(time_zone)).date()
    tests: dict[Operator, Callable[[], Any]] = {
        Operator.DURING: lambda: wanted[0] <= value <= wanted[1],
        Operator.CONTAINS: lambda: (
            wanted in value if type_.is_list else wanted.lower() in value.lower()
        ),
        Operator.EQ: lambda: value == wanted,
        Operator.LT: lambda: value < wanted,
        Operator.LTE: lambda: value <= wanted,
        Operator.GT: lambda: value > wanted,
        Operator.GTE: lambda: value >= wanted,
        Operator.BETWEEN: lambda: wanted[0] <= value <= wanted[1],
        Operator.STARTS_WITH: lambda: value.lower().startswith(wanted.lower()),
    }
    return bool(tests[given.op]())


_DAY = ColumnType("DATE", Kind.DATE)


def _read(value: Any, type_: ColumnType) -> Any:
    if not isinstance(value, str):
        return value
    readers: dict[Kind, Callable[[str], Any]] = {
        Kind.UUID: UUID,
        Kind.DATE: date.fromisoformat,
        Kind.TIMESTAMP: datetime.fromisoformat,
        Kind.DECIMAL: Decimal,
    }
    return readers.get(type_.kind, str)(value)


@cache
def bucket(day: date, grain: Grain, fiscal_start: int) -> date:
    """Back, day by day, to one that a period begins with."""
    while not _begins(day, grain, fiscal_start):
        day -= timedelta(days=1)
    return day


def _begins(day: date, grain: Grain, fiscal_start: int) -> bool:
    if grain is Grain.WEEK:
        return day.weekday() == 0
    starts = {
        Grain.DAY: {day.month},
        Grain.MONTH: {day.month},
        Grain.QUARTER: {1, 4, 7, 10},
        Grain.YEAR: {1},
        Grain.FISCAL_QUARTER: {(fiscal_start - 1 + 3 * n) % 12 + 1 for n in range(4)},
        Grain.FISCAL_YEAR: {fiscal_start},
    }
    return day.month in starts[grain] and (day.day == 1 or grain is Grain.DAY)


def later(day: date, months: int, days: int) -> date:
    """`months` on, at the latest the last day of that month; then `days` on."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for number in range(day.day, 0, -1):
        try:
            return date(year, month + 1, number) + timedelta(days=days)
        except ValueError:
            continue
    raise AssertionError


def divided(above: Any, below: Any, places: int) -> Decimal | None:
    if above is None or not below:
        return None
    with localcontext() as context:
        context.prec = 100
        exact = Decimal(above) / Decimal(below)
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def in_order(rows: Sequence[Row], value_of: Callable[[Row], Any], *, descending: bool) -> list[Row]:
    """Stable, missing values last."""
    missing = [row for row in rows if value_of(row) is None]
    known = [row for row in rows if value_of(row) is not None]
    return sorted(known, key=lambda row: _rank(value_of(row)), reverse=descending) + missing


def _rank(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
