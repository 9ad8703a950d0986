"""The little of dbt's `manifest.json` that Outlay reads: the marts, their words and their tests."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARTS = "marts"  # the schema that a generation serves
MARTS_BY_DATE = "marts_by_date"  # some of them once more, stored by organization and date


@dataclass(frozen=True, slots=True)
class MartColumn:
    """`declared` is the type in its contract; `values` are all that there can be, if tested."""

    description: str
    declared: str
    is_nullable: bool
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mart:
    """One model of the marts. `tests` must all have passed before anything was published."""

    unique_id: str
    name: str
    description: str
    meta: Mapping[str, Any]
    columns: Mapping[str, MartColumn]
    tests: tuple[str, ...]


def read_manifest(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(path.read_text())
    return content


def read_marts(manifest: Mapping[str, Any]) -> list[Mart]:
    tests = tests_by_node(manifest)
    values = _accepted_values(manifest)
    return [
        Mart(
            unique_id=unique_id,
            name=node["name"],
            description=node.get("description") or "",
            meta={**node.get("meta", {}), **node.get("config", {}).get("meta", {})},
            columns={
                name: MartColumn(
                    column.get("description") or "",
                    column.get("data_type") or "",
                    not any(each["type"] == "not_null" for each in column.get("constraints", ())),
                    values.get((unique_id, name), ()),
                )
                for name, column in node.get("columns", {}).items()
            },
            tests=tests[unique_id],
        )
        for unique_id, node in sorted(manifest.get("nodes", {}).items())
        if node["resource_type"] == "model" and node["schema"] == MARTS
    ]


def tests_by_node(manifest: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Data tests that stop a build (severity error) and unit tests, by the node they test."""
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for node_id, test in _data_tests(manifest):
        if test.get("config", {}).get("severity", "error").lower() == "error":
            found[node_id] += (_name_of_test(test),)
    for unit_test in manifest.get("unit_tests", {}).values():
        for node_id in unit_test.get("depends_on", {}).get("nodes", []):
            found[node_id] += (unit_test["name"],)
    return found


def _data_tests(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, node in sorted(manifest.get("nodes", {}).items()):
        if node["resource_type"] == "test" and node.get("attached_node"):
            yield node["attached_node"], node


def _name_of_test(test: Mapping[str, Any]) -> str:
    """Such as ``not_null account_id``; a test of its own file by its name."""
    kind = (test.get("test_metadata") or {}).get("name") or test["name"]
    column = test.get("column_name")
    return f"{kind} {column}" if column else kind


def _accepted_values(manifest: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str | int, ...]]:
    return {
        (node_id, test["column_name"]): tuple(known["kwargs"]["values"])
        for node_id, test in _data_tests(manifest)
        if (known := test.get("test_metadata") or {}).get("name") == "accepted_values"
    }
