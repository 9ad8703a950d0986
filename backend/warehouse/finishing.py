"""The last layer of a grouped query: which groups, in which order, which page of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.warehouse import column_types
from backend.warehouse.compiled import Compiled, OutputColumn, Paging
from backend.warehouse.figures import Groups, answered
from backend.warehouse.ordering import SortKey, after, selected_keys, tail, without_repetition
from backend.warehouse.plan import LEVEL
from backend.warehouse.predicates import combined, predicate
from backend.warehouse.spec import Filter, QuerySpec


def finish(sql: str, groups: Groups, paging: Paging) -> Compiled:
    plan, parameters = groups.plan, groups.source.parameters
    keys = [OutputColumn(key.name, key.type) for key in plan.keys]
    if plan.has_totals and not _hides_totals(groups):
        keys.append(OutputColumn(LEVEL, column_types.INTEGER))
    measured = {
        column.name: column
        for figure in groups.figures
        for column, _ in answered(figure, is_compared=groups.source.is_compared)
    }
    columns = (*keys, *measured.values())
    order = _order(groups.resolved.spec, columns, keys)
    conditions = [*_conditions(groups, measured), *after(order, paging, parameters)]
    if conditions:
        selected = ", ".join(f'"{column.name}"' for column in columns)
        sql = f"SELECT {selected}\nFROM (\n{sql}\n)\nWHERE {' AND '.join(conditions)}"
    _, key_columns = selected_keys(order, columns, paging)
    sql += tail(order, paging, parameters)
    return Compiled(sql, parameters.values, columns, key_columns)


def _hides_totals(groups: Groups) -> bool:
    totals = groups.resolved.spec.totals
    return totals is not None and totals.subtotals == "none"


def _order(
    spec: QuerySpec, columns: Sequence[OutputColumn], keys: Sequence[OutputColumn]
) -> list[SortKey]:
    """Sums of everything first, then as asked, then by the keys: no two groups are equal."""
    known = {column.name: column for column in columns}
    order = [
        SortKey(key.name, f'"{key.name}"', key.type, nullable=False)
        for key in keys
        if key.name == LEVEL
    ]
    for index, by in enumerate(spec.order):
        if by.field not in known:
            raise InvalidInput(
                f"The answer has no column {by.field[:100]!a} to sort by.",
                errors=[FieldError(f"#/order/{index}/field", did_you_mean(by.field, [*known]))],
            )
        type_ = known[by.field].type
        order.append(SortKey(by.field, f'"{by.field}"', type_, by.descending))
    order += [SortKey(key.name, f'"{key.name}"', key.type) for key in keys]
    return without_repetition(order)


def _conditions(groups: Groups, measured: Mapping[str, OutputColumn]) -> Iterator[str]:
    """`having` hides groups, never their sums."""
    plan, parameters = groups.plan, groups.source.parameters

    def of_answer(given: Filter, pointer: str) -> str:
        column = measured.get(given.field)
        if column is None:
            raise InvalidInput(
                f"The groups have no measure {given.field[:100]!a}.",
                errors=[FieldError(f"{pointer}/field", did_you_mean(given.field, [*measured]))],
            )
        zone = groups.resolved.calendar.time_zone
        sql = f'"{column.name}"'
        return predicate(sql, column.type, given, parameters, pointer, time_zone=zone)

    finest = plan.levels[0].number
    keeps_totals = plan.has_totals and not _hides_totals(groups)
    if plan.has_totals and not keeps_totals:
        yield f'"{LEVEL}" = {finest}'
    for index, condition in enumerate(groups.resolved.spec.having):
        sql = combined(condition, f"#/having/{index}", of_answer)
        yield f'("{LEVEL}" < {finest} OR {sql})' if keeps_totals else sql
