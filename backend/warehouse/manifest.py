"""The little of dbt's `manifest.json` that Outlay reads: the marts, their words and their tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARTS = "marts"  # the schema that a generation serves


@dataclass(frozen=True, slots=True)
class Mart:
    """One model of the marts. `tests` must all have passed before anything was published."""

    name: str
    description: str
    meta: Mapping[str, Any]
    column_descriptions: Mapping[str, str]
    tests: int


def read_marts(manifest: Path | Mapping[str, Any]) -> list[Mart]:
    content = json.loads(manifest.read_text()) if isinstance(manifest, Path) else manifest
    tests = _tests_by_model(content)
    return [
        Mart(
            name=node["name"],
            description=node.get("description") or "",
            meta={**node.get("meta", {}), **node.get("config", {}).get("meta", {})},
            column_descriptions={
                name: column.get("description") or ""
                for name, column in node.get("columns", {}).items()
            },
            tests=tests[unique_id],
        )
        for unique_id, node in sorted(content.get("nodes", {}).items())
        if node["resource_type"] == "model" and node["schema"] == MARTS
    ]


def _tests_by_model(manifest: Mapping[str, Any]) -> Counter[str]:
    """Data tests that stop a build (severity error) and unit tests, by the model they test."""
    data_tests = Counter(
        node["attached_node"]
        for node in manifest.get("nodes", {}).values()
        if node["resource_type"] == "test"
        and node.get("attached_node")
        and node.get("config", {}).get("severity", "error").lower() == "error"
    )
    unit_tests = Counter(
        model
        for test in manifest.get("unit_tests", {}).values()
        for model in test.get("depends_on", {}).get("nodes", [])
    )
    return data_tests + unit_tests
