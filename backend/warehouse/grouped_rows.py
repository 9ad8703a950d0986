"""The rows that a grouped query aggregates: its keys, and what its measures read."""

from __future__ import annotations

from dataclasses import dataclass

from backend.warehouse.aggregation import ROWS, has_parts, part, part_name
from backend.warehouse.metadata import AccountAccess, Aggregate, BudgetAccess
from backend.warehouse.names import BASE
from backend.warehouse.plan import Plan, parts_of, takes_last_values
from backend.warehouse.source import Grouping, Source

# No key begins with an underscore, and no column that a measure reads with two of them.
EARLIER = '"__earlier"'


@dataclass(frozen=True, slots=True)
class GroupedRows:
    """A SELECT whose rows are parts of groups, or the plain ones when `in_parts` is false.

    `last` holds by level the column that is true of the last rows of a period.
    """

    sql: str
    in_parts: bool
    last: dict[int, str]


def grouped_rows(source: Source, plan: Plan) -> GroupedRows:
    read = parts_of(source.dataset, plan)
    columns = {
        aggregate.column: source.used(aggregate.column, "#/measures").sql
        for aggregate in read
        if aggregate.column is not None
    }
    if _gains_from_parts(source, plan, read):
        return _parts(source, plan, read)
    selected = [f'{key.sql} AS "{key.name}"' for key in plan.keys]
    selected += [f'{sql} AS "_{name}"' for name, sql in columns.items()]
    last: dict[int, str] = {}
    if takes_last_values(source.dataset, plan):
        last = _last_of_periods(source, plan)
        selected += [f'{sql} AS "__last_{number}"' for number, sql in last.items()]
    if source.is_compared:
        selected.append(f'"{BASE}"."_earlier" AS {EARLIER}')
    shown = ", ".join(selected) or 'true AS "_row"'
    sql = f"SELECT {shown}\n{source.sql()}"
    return GroupedRows(sql, in_parts=False, last={n: f'"__last_{n}"' for n in last})


def _gains_from_parts(source: Source, plan: Plan, read: list[Aggregate]) -> bool:
    """Whether names can be joined to few groups instead of many rows, with the same answer.

    The rows of one person are few: joining them costs less than putting them together first.
    """
    own = {key.name: key.sql for key in plan.keys if key.is_own}
    joined_by = source.joined_by
    return (
        bool(joined_by)
        and source.scope.sees_whole_organization
        and not source.mixes_joined
        and all(has_parts(aggregate) for aggregate in read)
        and all(own.get(name, _base(name)) == _base(name) for name in joined_by)
    )


def _parts(source: Source, plan: Plan, read: list[Aggregate]) -> GroupedRows:
    keys = {key.name: key.sql for key in plan.keys if key.is_own}
    keys |= {name: _base(name) for name in source.joined_by}
    selected = [
        f'{_base(key.name) if key.is_own else key.sql} AS "{key.name}"' for key in plan.keys
    ]
    if source.is_compared:
        keys["_earlier"] = _base("_earlier")
        selected.append(f"{_base('_earlier')} AS {EARLIER}")
    made = [f'{sql} AS "{name}"' for name, sql in keys.items()]
    for name, aggregate in {part_name(each): each for each in (*read, ROWS)}.items():
        made.append(part(aggregate, BASE))
        selected.append(f'{_base(name)} AS "{name}"')
    from_ = source.sql(grouping=Grouping(made, tuple(keys)))
    return GroupedRows(f"SELECT {', '.join(selected)}\n{from_}", in_parts=True, last={})


def _last_of_periods(source: Source, plan: Plan) -> dict[int, str]:
    """Whether the row is its account's (or budget's) last of the period that its group is.

    Every row is where a level is by day.
    """
    date_column = source.dataset.filters.date_column or ""
    day = source.day()
    series = []
    access = source.dataset.access
    if isinstance(access, AccountAccess | BudgetAccess):
        series.append(source.used(access.shared_column, "#/measures").sql)
    if source.is_compared:
        series.append(_base("_earlier"))
    keys = {key.name: key.sql for key in plan.keys}
    last = {}
    for level in plan.levels:
        if date_column in level.keys and not source.is_compared:
            continue
        within = [*(keys[name] for name in level.keys), *series]
        partition = f"PARTITION BY {', '.join(within)}" if within else ""
        last[level.number] = f"{day} = max({day}) OVER ({partition})"
    return last


def _base(name: str) -> str:
    return f'"{BASE}"."{name}"'
