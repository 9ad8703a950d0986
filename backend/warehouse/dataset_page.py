"""The page of all datasets, `docs/datasets.md`: the same words as their schema has in the API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from backend.periods import RELATIVE_EXAMPLES, Grain
from backend.scope import Role, Scope
from backend.warehouse import catalogue, column_types
from backend.warehouse.datasets import Dataset
from backend.warehouse.examples import example
from backend.warehouse.measure_catalogue import measures
from backend.warehouse.predicates import operators
from backend.warehouse.visibility import row_filter

_NOBODY, _ONE, _ANOTHER = (UUID(int=number) for number in range(3))
_TWO = frozenset({_ONE, _ANOTHER})
_SCOPES = [
    Scope(_NOBODY, _NOBODY, role, shared_account_ids=_TWO, shared_budget_ids=_TWO) for role in Role
]
_WHOLE = next(scope for scope in _SCOPES if scope.sees_whole_organization)
_PART = next(scope for scope in _SCOPES if not scope.sees_whole_organization)
_TYPES = (
    "UUID",
    "VARCHAR",
    "DATE",
    "TIMESTAMP",
    "DECIMAL(18,4)",
    "BIGINT",
    "BOOLEAN",
    "UUID[]",
    "VARCHAR[]",
)
_GROUPS = ("facts", "aggregations", "dimensions")

_HEAD = """\
# Datasets

Made from the dbt metadata by `make docs`; edit the yml beside each mart, not this page. The same
stands, for the caller, in `GET /api/analytics/datasets/{id}/schema`; how to ask is in
[api.md](api.md), and what a query means in [ADR 0014](adr/0014-the-query-contract.md).
"""


def page(datasets: Mapping[str, Dataset], others: Sequence[str]) -> str:
    """In Markdown; `others` are the marts that are declared not to be datasets."""
    ordered = sorted(datasets.values(), key=lambda each: (_GROUPS.index(each.meta.group), each.id))
    parts = [_HEAD, _overview(ordered, others), _operators()]
    parts += [_section(dataset) for dataset in ordered]
    return "\n".join(parts)


def _overview(datasets: Sequence[Dataset], others: Sequence[str]) -> str:
    rows = [
        (
            f"[{each.id}](#{each.id})",
            each.friendly_name,
            each.meta.group,
            each.meta.time_grain or "",
        )
        for each in datasets
    ]
    left_out = f"\nMarts that are no datasets: {_codes(others) or 'none'}.\n"
    return _table(("dataset", "name", "group", "finest grain"), rows) + left_out


def _operators() -> str:
    types = [parsed for sql in _TYPES if (parsed := column_types.parse(sql))]
    rows = [(type_.name, _codes(operators(type_))) for type_ in types]
    names = f"\nDates take names with `during`: {_codes(RELATIVE_EXAMPLES)} and others like them "
    names += "([how they are made](api.md)).\n"
    return "## Operators\n\n" + _table(("type", "operators"), rows) + names


def _section(dataset: Dataset) -> str:
    parts = [
        f"## {dataset.id}",
        f"**{dataset.friendly_name}.** {dataset.description}",
        _access(dataset),
    ]
    parts.append(_columns(dataset))
    if dataset.joins:
        names = [f"`{e.name}.…` ({e.dataset}, by {e.on})" for e in catalogue.joins(dataset)]
        parts.append(f"Names of dimensions: {', '.join(names)}.")
    if grains := _grains(dataset):
        parts.append(grains)
    parts.append(_measures(dataset))
    if filters := catalogue.filters(dataset):
        listed = [f"`{each.parameter}` (`{each.column}`)" for each in filters]
        parts.append(f"Common filters: {', '.join(listed)}.")
    parts.append(f"Made of: {' ← '.join(_layers(dataset))}.")
    parts.append("\n".join(f"- {question}" for question in dataset.meta.sample_questions))
    asked = example(dataset, _WHOLE).model_dump(mode="json", exclude_defaults=True)
    parts.append(f"```json\n{json.dumps(asked)}\n```")
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _access(dataset: Dataset) -> str:
    """Said by those who decide it, for one of each sort."""
    whole, part = row_filter(dataset, _WHOLE), row_filter(dataset, _PART)
    if whole == part:
        return f"*Everybody sees:* {whole}"
    seeing = [scope.role for scope in _SCOPES if scope.sees_whole_organization]
    words = f"*{', '.join(seeing).capitalize()} see:* {whole} *Others see, for example:* {part}"
    if restricted := dataset.access.restricted_columns:
        words += f" For them these are empty: {_codes(restricted)}."
    return words


def _columns(dataset: Dataset) -> str:
    rows = []
    for each in catalogue.columns(dataset, _WHOLE):
        values = f" One of {_codes(each.values)}." if each.values else ""
        null = "yes" if each.nullable else ""
        rows.append((f"`{each.name}`", each.type, each.unit or "", null, each.description + values))
    return _table(("column", "type", "unit", "null", "meaning"), rows)


def _grains(dataset: Dataset) -> str:
    dated = [each for each in catalogue.dimensions(dataset, _WHOLE) if each.grains]
    if not dated:
        return ""
    grains: tuple[Grain, ...] = dated[0].grains
    return f"By {_codes(grains)}: {_codes(each.name for each in dated)}."


def _measures(dataset: Dataset) -> str:
    rows = [
        (f"`{each.name}`", f"`{each.formula}`", each.unit or "", each.additivity)
        for each in measures(dataset, _WHOLE)
    ]
    return _table(("measure", "formula", "unit", "adding up"), rows)


def _layers(dataset: Dataset) -> Iterator[str]:
    nodes = dataset.lineage.nodes
    deepest_first = dict.fromkeys(node.layer for node in reversed(nodes))
    for layer in reversed(deepest_first):
        names = sorted(node.name for node in nodes if node.layer == layer)
        yield f"{layer} ({', '.join(names)})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _codes(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
