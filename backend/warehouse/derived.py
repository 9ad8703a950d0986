"""What is made of groups once they are aggregated: missing values, comparisons, shares."""

from __future__ import annotations

from collections.abc import Iterator

from backend.warehouse.expressions import named
from backend.warehouse.figures import ROW_COUNT, Figure, Groups, answered, whole_of
from backend.warehouse.filling import period_key
from backend.warehouse.plan import LEVEL, Plan
from backend.warehouse.spec import Fill


def settle(sql: str, groups: Groups) -> str:
    """Groups without rows in a period get the values that `fill` says; 0 by default.

    A value that is missing though there are rows, such as an amount without a rate, stays so.
    """
    selected = list(_keys(groups.plan))
    for suffix in groups.suffixes:
        for figure in groups.figures:
            value = f'"{figure.name}{suffix}"'
            if groups.resolved.period:
                value = _settled(value, f'"{ROW_COUNT}{suffix}"', figure, groups)
            selected.append(named(value, f"{figure.name}{suffix}"))
    selected += [
        f'{_whole(figure, groups.plan)} AS "{whole_of(figure)}"'
        for figure in groups.figures
        if figure.has_share
    ]
    return f"SELECT {', '.join(selected)}\nFROM (\n{sql}\n)"


def derive(sql: str, groups: Groups) -> str:
    if not groups.source.is_compared and not groups.plan.shares:
        return sql
    selected = list(_keys(groups.plan))
    for figure in groups.figures:
        for column, value in answered(figure, is_compared=groups.source.is_compared):
            selected.append(named(value, column.name))
    return f"SELECT {', '.join(selected)}\nFROM (\n{sql}\n)"


def _keys(plan: Plan) -> Iterator[str]:
    for name in plan.names:
        yield f'"{name}"'
    if plan.has_totals:
        yield f'"{LEVEL}"'


def _settled(value: str, rows: str, figure: Figure, groups: Groups) -> str:
    fill = groups.resolved.spec.fill
    missing = "0" if figure.adds_up else "NULL"
    if fill is Fill.NULL:
        missing = "NULL"
    if fill is Fill.PREVIOUS:
        period = f'"{period_key(groups)}"'
        others = ", ".join(key for key in _keys(groups.plan) if key != period)
        series = f"PARTITION BY {others} " if others else ""
        known = f"CASE WHEN {rows} > 0 THEN {value} END"
        missing = f"last_value({known} IGNORE NULLS) OVER ({series}ORDER BY {period})"
    return f"CASE WHEN {rows} > 0 THEN {value} ELSE {missing} END"


def _whole(figure: Figure, plan: Plan) -> str:
    """The value of all groups of the same currencies, from the row that sums them up."""
    kept = f' FILTER (WHERE "{LEVEL}" = {plan.levels[-1].number})' if plan.has_totals else ""
    partition = ", ".join(f'"{name}"' for name in plan.currencies)
    within = f"PARTITION BY {partition}" if partition else ""
    return f'max("{figure.name}"){kept} OVER ({within})'
