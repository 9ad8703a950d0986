"""Aggregates in SQL: over rows, or over rows that were put together before names were joined."""

from __future__ import annotations

from dataclasses import dataclass

from backend.warehouse.metadata import Aggregate

ROWS = Aggregate(agg="count")
_OF_PARTS = {"sum": "sum", "count": "sum", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Which rows count: those of one `side`, and where values are not added up over time, the
    `last` ones; both are conditions. In `parts`, rows hold what ``part`` made of others.
    """

    side: str | None = None
    last: str | None = None
    parts: bool = False

    def sql(self, aggregate: Aggregate) -> str:
        conditions = [self.side] if self.side else []
        if self.last and aggregate.additive.time == "last":
            conditions.append(self.last)
        kept = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
        if self.parts:
            sql = f'{_OF_PARTS[aggregate.agg]}("{part_name(aggregate)}"){kept}'
            return f"CAST(coalesce({sql}, 0) AS BIGINT)" if aggregate.agg == "count" else sql
        return f"{_call(aggregate, '_')}{kept}"


def has_parts(aggregate: Aggregate) -> bool:
    """Whether the aggregate of groups is that of the aggregates of their parts."""
    return aggregate.agg in _OF_PARTS and aggregate.additive.time == "sum"


def part_name(aggregate: Aggregate) -> str:
    return f"_{aggregate.agg}" + (f"_{aggregate.column}" if aggregate.column else "")


def part(aggregate: Aggregate, table: str) -> str:
    """What a part of a group adds to it, over the plain columns of `table`."""
    argument = "*" if aggregate.column is None else f'"{table}"."{aggregate.column}"'
    return f'{aggregate.agg}({argument}) AS "{part_name(aggregate)}"'


def _call(aggregate: Aggregate, prefix: str) -> str:
    argument = "*" if aggregate.column is None else f'"{prefix}{aggregate.column}"'
    if aggregate.agg == "count_distinct":
        return f"count(DISTINCT {argument})"
    return f"{aggregate.agg}({argument})"
