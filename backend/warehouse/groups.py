"""Queries with dimensions or measures: one row for each group, aggregated in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from backend.warehouse.aggregation import ROWS, Reading
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.derived import derive, settle
from backend.warehouse.figures import ROW_COUNT, Groups, figures_of
from backend.warehouse.filling import fill_periods
from backend.warehouse.finishing import finish
from backend.warehouse.grouped_rows import EARLIER, GroupedRows, grouped_rows
from backend.warehouse.measures import expression, takes_last
from backend.warehouse.names import PREVIOUS
from backend.warehouse.plan import LEVEL, Plan, plan_groups
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.source import Source


def compile_groups(source: Source, resolved: ResolvedSpec, paging: Paging) -> Compiled:
    """Each layer around the groups makes something of them; most queries need none."""
    plan = plan_groups(source, resolved)
    groups = Groups(source, resolved, plan, figures_of(source.dataset, plan))
    sql = _aggregated(groups, grouped_rows(source, plan))
    if resolved.spec.fill:
        sql = fill_periods(sql, groups)
    if resolved.period or plan.shares:
        sql = derive(settle(sql, groups), groups)
    return finish(sql, groups, paging)


def _aggregated(groups: Groups, rows: GroupedRows) -> str:
    source, plan = groups.source, groups.plan
    sides: dict[str, str | None] = {"": None}
    if source.is_compared:
        sides = {"": f"NOT {EARLIER}", PREVIOUS: EARLIER}
    selected = [f'"{name}"' for name in plan.names]
    if plan.has_totals:
        number = _by_level(plan, [str(level.number) for level in plan.levels])
        selected.append(f'{number} AS "{LEVEL}"')
    for suffix, side in sides.items():
        for figure in groups.figures:
            sql = _measured(source, plan, rows, figure.name, side)
            selected.append(f'{sql} AS "{figure.name}{suffix}"')
        if groups.resolved.period:
            count = Reading(side, parts=rows.in_parts).sql(ROWS)
            selected.append(f'{count} AS "{ROW_COUNT}{suffix}"')
    return f"SELECT {', '.join(selected)}\nFROM (\n{rows.sql}\n){_group_by(plan)}"


def _measured(source: Source, plan: Plan, rows: GroupedRows, name: str, side: str | None) -> str:
    """The measure, at each level over the last rows of that level's periods."""
    measure = plan.measures[name]
    each = [
        expression(source.dataset, measure, Reading(side, rows.last.get(n), rows.in_parts)).sql
        for n in (level.number for level in plan.levels)
    ]
    return _by_level(plan, each) if takes_last(source.dataset, measure) else each[0]


def _by_level(plan: Plan, values: Sequence[str]) -> str:
    """The value for the level that a row is of; each lacks a key that the next finer one has."""
    *finer, coarsest = values
    if not finer:
        return coarsest
    cases = []
    for value, level, coarser in zip(finer, plan.levels, plan.levels[1:], strict=False):
        key = next(name for name in level.keys if name not in coarser.keys)
        cases.append(f'WHEN GROUPING("{key}") = 0 THEN {value}')
    return f"CASE {' '.join(cases)} ELSE {coarsest} END"


def _group_by(plan: Plan) -> str:
    sets = [", ".join(f'"{name}"' for name in level.keys) for level in plan.levels]
    if len(sets) > 1:
        return f"\nGROUP BY GROUPING SETS ({', '.join(f'({keys})' for keys in sets)})"
    return f"\nGROUP BY {sets[0]}" if sets[0] else ""
