"""Queries without measures: the rows of a dataset as they are."""

from __future__ import annotations

from backend.errors import FieldError, InvalidInput
from backend.warehouse import column_types
from backend.warehouse.compiled import Compiled, OutputColumn, Paging
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import Aggregate
from backend.warehouse.ordering import SortKey, after, selected_keys, tail, without_repetition
from backend.warehouse.refusals import refuse_repetition
from backend.warehouse.source import Source
from backend.warehouse.spec import QuerySpec

_OF_GROUPS = ("having", "compare", "fill", "totals")


def compile_rows(source: Source, spec: QuerySpec, paging: Paging) -> Compiled:
    for option in _OF_GROUPS:
        if getattr(spec, option):
            raise InvalidInput(
                f"{option} is of groups, and this query asks for rows.",
                errors=[FieldError(f"#/{option}", "needs dimensions or measures")],
            )
    names = spec.fields or tuple(source.dataset.columns)
    refuse_repetition(names, "#/fields")
    shown = [source.shown(name, f"#/fields/{index}") for index, name in enumerate(names)]
    columns = tuple(
        OutputColumn(ref.name, ref.column.type, unit_of(ref.dataset, ref.column.name))
        for ref in shown
    )
    order = []
    for index, by in enumerate(spec.order):
        reference = source.used(by.field, f"#/order/{index}/field")
        name = by.field if by.field in names else f"_key_{index + 1}"
        order.append(SortKey(name, reference.sql, reference.column.type, by.descending))
    is_sorted = bool(order) or not source.keeps_stored_order
    if is_sorted or paging.keyed or paging.after is not None:
        rowid = SortKey("_rowid", source.rowid(), column_types.INTEGER, nullable=False)
        order = without_repetition([*order, rowid])
    hidden, keys = selected_keys(order, columns, paging)
    selected = ", ".join([*(f'{ref.sql} AS "{ref.name}"' for ref in shown), *hidden])
    further = after(order, paging, source.parameters)
    if paging.limit is not None and source.only_adds_names(key.sql for key in order):
        # The page is taken before names are joined to it: to its rows, not to all of them.
        is_sorted_first = bool(spec.order) or not source.is_read_in_stored_order
        page = tail(order if is_sorted_first else (), paging, source.parameters)
        sql = source.sql(further, page=page) + tail(order, Paging(), source.parameters)
    else:
        sql = source.sql(further) + tail(order if is_sorted else (), paging, source.parameters)
    return Compiled(f"SELECT {selected}\n{sql}", source.parameters.values, columns, keys)


def unit_of(dataset: Dataset, column: str) -> str | None:
    """The unit in which the dataset's measures take the column."""
    for measure in dataset.measures.values():
        if isinstance(measure, Aggregate) and measure.column == column and measure.unit:
            return measure.unit
    return None
