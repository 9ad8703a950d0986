"""A question that a dataset answers, to begin with."""

from __future__ import annotations

from backend.periods import Grain
from backend.scope import Scope
from backend.warehouse.catalogue import dimensions
from backend.warehouse.column_types import Kind
from backend.warehouse.datasets import Dataset
from backend.warehouse.measure_catalogue import measures
from backend.warehouse.spec import Dimension, Filter, Operator, QuerySpec

_MEASURES = 3
_ROWS = 10


def example(dataset: Dataset, scope: Scope) -> QuerySpec:
    """Its first measures by month, or by what it says first in words; rows if it has none."""
    known = measures(dataset, scope)
    if not known:
        return QuerySpec(dataset=dataset.id, limit=_ROWS)
    overlaps = known[0].not_additive_over
    together = [each.name for each in known if set(each.not_additive_over) <= set(overlaps)]
    keys = [Dimension(column=column) for column in overlaps]
    filters: tuple[Filter, ...] = ()
    column, finest = dataset.filters.date_column, dataset.meta.time_grain
    if column is not None and finest is not None:
        grain = finest if Grain.MONTH.is_finer_than(finest) else Grain.MONTH
        keys.insert(0, Dimension(column=column, grain=grain))
        filters = (Filter(field=column, op=Operator.DURING, value="last_12_months"),)
    elif not keys:
        keys = [Dimension(column=name) for name in _words(dataset, scope)[:1]]
    return QuerySpec(
        dataset=dataset.id,
        dimensions=tuple(keys),
        measures=tuple(together[:_MEASURES]),
        filters=filters,
    )


def _words(dataset: Dataset, scope: Scope) -> list[str]:
    """Its own texts to group by, those of few values first."""
    known = {key.name for key in dimensions(dataset, scope) if key.type == Kind.TEXT}
    texts = [column for column in dataset.columns.values() if column.name in known]
    return [column.name for column in sorted(texts, key=lambda column: not column.values)]
