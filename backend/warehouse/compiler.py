"""(Dataset, ResolvedSpec, Scope) to SQL: the one way to read the marts.

Pure. Identifiers come from the dataset's own columns only, values travel as bound parameters, and
what the scope may not see is never part of what is read (see `visibility`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.scope import Scope
from backend.warehouse import column_types
from backend.warehouse.compiled import Compiled, OutputColumn, Paging
from backend.warehouse.datasets import Dataset
from backend.warehouse.groups import compile_groups
from backend.warehouse.resolve import ResolvedSpec
from backend.warehouse.rows import compile_rows
from backend.warehouse.source import Source


def compile_query(
    dataset: Dataset, resolved: ResolvedSpec, scope: Scope, paging: Paging | None = None
) -> Compiled:
    """Raise InvalidInput for what the dataset lacks, Forbidden for what the scope may not use.

    `paging` is by default the limit and the offset of the query.
    """
    spec = resolved.spec
    paging = paging or Paging(spec.limit, spec.offset)
    source = Source(dataset, scope, resolved.calendar)
    if resolved.period:
        source.within(resolved.period, resolved.earlier)
    for pointer, condition in resolved.conditions:
        source.where(condition, pointer)
    if spec.is_grouped:
        compiled = compile_groups(source, resolved, paging)
    else:
        compiled = compile_rows(source, spec, paging)
    return replace(compiled, joined=source.joined)


def compile_counts(datasets: Sequence[Dataset], scope: Scope) -> Compiled:
    """How many rows of each dataset the scope may see, as columns named after the datasets."""
    parameters: dict[str, object] = {}
    counts = []
    for dataset in datasets:
        source = Source(dataset, scope)
        counts.append(f'(SELECT count(*) {source.sql()}) AS "{dataset.id}"')
        parameters |= source.parameters.values
    columns = tuple(OutputColumn(dataset.id, column_types.INTEGER) for dataset in datasets)
    return Compiled(f"SELECT {', '.join(counts)}", parameters, columns)
