"""Every period of the requested range, for each series of groups that has any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import islice

from backend.periods import Grain
from backend.warehouse.figures import ROW_COUNT, Groups
from backend.warehouse.plan import LEVEL, Plan
from backend.warehouse.refusals import refuse

MAX_PERIODS = 10_000


def period_key(groups: Groups) -> str:
    """The name of the one dimension that periods are filled along."""
    column = groups.source.dataset.filters.date_column
    names = [key.name for key in groups.plan.keys if key.column == column]
    if len(names) != 1:
        refuse(f"fill needs {column} among the dimensions, once.", "#/fill")
    return names[0]


def fill_periods(sql: str, groups: Groups) -> str:
    """Adds groups of no rows; sums over several periods stay as they are."""
    plan, period = groups.plan, period_key(groups)
    others = [name for name in plan.names if name != period]
    summed = None
    if plan.has_totals:
        others.append(LEVEL)
        summed = f'"{LEVEL}" <= {plan.names.index(period)}'
    values = [
        f"{name}{suffix}"
        for suffix in groups.suffixes
        for name in (*(figure.name for figure in groups.figures), ROW_COUNT)
    ]
    selected = [f's."{name}"' for name in others]
    selected += [f'p."period" AS "{period}"', *(f'g."{name}"' for name in values)]
    same = [f'g."{period}" = p."period"']
    same += [f'g."{name}" IS NOT DISTINCT FROM s."{name}"' for name in others]
    periods = groups.source.parameters.bind_as("periods", _starts(groups))
    lines = [
        f'WITH "groups" AS (\n{sql}\n)',
        f"SELECT {', '.join(selected)}",
        f"FROM {_series(others, summed, plan)} AS s",
        f'CROSS JOIN (SELECT unnest(CAST({periods} AS DATE[])) AS "period") AS p',
        f'LEFT JOIN "groups" AS g ON {" AND ".join(same)}',
    ]
    if summed:
        plain = ", ".join(f'"{name}"' for name in (*others, period, *values))
        lines.append(f'UNION ALL\nSELECT {plain} FROM "groups" WHERE {summed}')
    return "\n".join(lines)


def _series(names: Sequence[str], summed: str | None, plan: Plan) -> str:
    if not names:
        return "(SELECT true)"
    if names == [LEVEL]:
        return f'(SELECT {plan.levels[0].number} AS "{LEVEL}")'
    listed = ", ".join(f'"{name}"' for name in names)
    kept = f" WHERE NOT {summed}" if summed else ""
    return f'(SELECT DISTINCT {listed} FROM "groups"{kept})'  # noqa: S608  # names of keys


def _starts(groups: Groups) -> list[date]:
    dataset, resolved = groups.source.dataset, groups.resolved
    [key] = [key for key in groups.plan.keys if key.name == period_key(groups)]
    grain = key.grain or dataset.meta.time_grain or Grain.DAY
    period = resolved.period
    starts = period.starts(grain, resolved.calendar.fiscal_start) if period else iter(())
    found = list(islice(starts, MAX_PERIODS + 1))
    if len(found) > MAX_PERIODS:
        refuse(
            f"fill makes at most {MAX_PERIODS} periods. Ask for a shorter time or a coarser grain.",
            "#/fill",
        )
    return found
