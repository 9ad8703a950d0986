"""What a grouped query asks for: its keys, measures and levels, checked before any SQL is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import FieldError, InvalidInput
from backend.periods import Grain
from backend.warehouse import column_types
from backend.warehouse.column_types import DATED, ColumnType
from backend.warehouse.datasets import Dataset
from backend.warehouse.measures import (
    aggregates,
    currency_columns,
    find_measure,
    has_shares,
    refuse_overlaps,
    takes_last,
)
from backend.warehouse.metadata import Aggregate, Measure
from backend.warehouse.refusals import refuse, refuse_repetition
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.source import Source
from backend.warehouse.spec import Dimension

LEVEL = "_level"


@dataclass(frozen=True, slots=True)
class Key:
    """A column that rows are grouped by; `column` is where it comes from, `is_own` if no join."""

    name: str
    column: str
    sql: str
    type: ColumnType
    is_own: bool
    grain: Grain | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """Rows grouped by the first `number` dimensions, and by the currencies of their amounts."""

    number: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`levels` go from the finest to the coarsest; more than the finest only with totals."""

    keys: tuple[Key, ...]
    currencies: tuple[str, ...]
    measures: dict[str, Measure]
    levels: tuple[Level, ...]
    shares: tuple[str, ...]

    @property
    def has_totals(self) -> bool:
        return len(self.levels) > 1

    @property
    def names(self) -> list[str]:
        return [key.name for key in self.keys]


def plan_groups(source: Source, resolved: ResolvedSpec) -> Plan:
    dataset, spec = source.dataset, resolved.spec
    if spec.fields:
        raise InvalidInput(
            "A query asks for fields (rows), or for dimensions and measures (groups).",
            errors=[FieldError("#/fields", "cannot be combined with dimensions or measures")],
        )
    measures = {
        name: find_measure(dataset, name, f"#/measures/{index}")
        for index, name in enumerate(spec.measures)
    }
    currencies = tuple(
        dict.fromkeys(
            column for measure in measures.values() for column in currency_columns(dataset, measure)
        )
    )
    dimensions = list(spec.dimensions)
    asked = [key.name for key in dimensions]
    dimensions += [Dimension(column=name) for name in currencies if name not in asked]
    refuse_repetition([*(key.name for key in dimensions), *spec.measures], "#/measures")
    levels = _levels(resolved, asked, currencies)
    plain = {key.name for key in spec.dimensions if key.grain is None}
    conditions = [condition for _, condition in resolved.conditions]
    for level in levels:
        for index, name in enumerate(spec.measures):
            grouped_by = [key for key in level.keys if key in plain]
            pointer, in_totals = f"#/measures/{index}", level is not levels[0]
            refuse_overlaps(dataset, name, grouped_by, conditions, pointer, in_totals=in_totals)
    shares = spec.totals.shares if spec.totals else ()
    for index, name in enumerate(shares):
        _check_share(dataset, resolved, measures.get(name), name, f"#/totals/shares/{index}")
    keys = [_key(source, key, f"#/dimensions/{index}") for index, key in enumerate(dimensions)]
    return Plan(tuple(keys), currencies, measures, tuple(levels), shares)


def _levels(resolved: ResolvedSpec, asked: Sequence[str], currencies: Sequence[str]) -> list[Level]:
    totals = resolved.spec.totals
    numbers = [len(asked)]
    if totals is not None:
        if not asked:
            refuse("Totals sum up groups: they need dimensions.", "#/totals")
        numbers = list(range(len(asked), -1, -1))
        if totals.subtotals != "all":
            numbers = [len(asked), 0]
    levels: list[Level] = []
    for number in numbers:
        keys = tuple(dict.fromkeys([*asked[:number], *currencies]))
        if not levels or set(keys) != set(levels[-1].keys):  # by currency alone is in total
            levels.append(Level(number, keys))
    return levels


def _check_share(
    dataset: Dataset, resolved: ResolvedSpec, measure: Measure | None, name: str, pointer: str
) -> None:
    if measure is None:
        refuse(f"{name[:100]!a} is not among the measures that are asked for.", pointer)
    if not has_shares(measure):
        refuse(f"{name!r} is not a sum or a count: it has no shares.", pointer)
    date_column = dataset.filters.date_column
    by_date = any(key.column == date_column for key in resolved.spec.dimensions)
    if takes_last(dataset, measure) and by_date:
        refuse(f"{name!r} takes the last value over time: it has no shares by period.", pointer)


def _key(source: Source, key: Dimension, pointer: str) -> Key:
    reference = source.used(key.column, f"{pointer}/column")
    type_ = reference.column.type
    is_own = reference.join is None
    if key.grain is None:
        if type_.is_list:
            refuse(f"{key.column!r} is a list: it cannot be grouped by.", f"{pointer}/column")
        return Key(key.name, key.column, reference.sql, type_, is_own)
    finest = source.dataset.meta.time_grain
    if type_.kind not in DATED or type_.is_list or not is_own or finest is None:
        refuse(f"{key.column!r} has no periods.", f"{pointer}/grain")
    if key.grain.is_finer_than(finest):
        refuse(
            f"Dataset {source.dataset.id} is by {finest}: it cannot be asked by {key.grain}.",
            f"{pointer}/grain",
        )
    sql = source.first_day(reference, key.grain)
    return Key(key.name, key.column, sql, column_types.DATE, is_own, key.grain)


def takes_last_values(dataset: Dataset, plan: Plan) -> bool:
    return any(takes_last(dataset, measure) for measure in plan.measures.values())


def parts_of(dataset: Dataset, plan: Plan) -> list[Aggregate]:
    """The aggregates that the measures are made of, each once."""
    every = (part for measure in plan.measures.values() for part in aggregates(dataset, measure))
    return list(dict.fromkeys(every))
