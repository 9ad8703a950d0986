"""`docs/datasets.md`, made from the dbt project as it is: `python -m orchestration.dataset_page`.

With ``--check`` it changes nothing, and fails when the page is stale or a dataset is not described.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from backend.settings import PROJECT_ROOT, Settings
from backend.warehouse.column_types import parse
from backend.warehouse.dataset_page import page
from backend.warehouse.datasets import DatasetError, load_datasets
from backend.warehouse.manifest import MartColumn, read_manifest, read_marts
from orchestration.dbt_project import DbtProjectError, prepare_manifest

PAGE = PROJECT_ROOT / "docs" / "datasets.md"


def made(manifest: Mapping[str, Any]) -> str:
    """The page as it should be; DatasetError for a dataset or column without a description."""
    datasets = load_datasets(manifest, declared(manifest))
    marts = [mart.name for mart in read_marts(manifest)]
    return page(datasets, [name for name in marts if name not in datasets])


def declared(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the contracts promise: mart -> column -> DuckDB type."""
    return {
        mart.name: {name: _type(mart.name, name, column) for name, column in mart.columns.items()}
        for mart in read_marts(manifest)
    }


def _type(mart: str, name: str, column: MartColumn) -> str:
    """The declared type by DuckDB's own name of it, as a built table has it."""
    try:
        found = str(duckdb.type(column.declared))
    except duckdb.Error:
        found = ""
    if parse(found) is None:
        raise DatasetError(mart, f"columns.{name}.data_type", f"{column.declared!r} is no type")
    return found


def staleness(found: str, due: str) -> str:
    """What differs, as a unified diff; nothing if the page is as it should be."""
    lines = difflib.unified_diff(
        found.splitlines(keepends=True), due.splitlines(keepends=True), "docs/datasets.md", "made"
    )
    return "".join(lines)


def main(arguments: list[str], page_path: Path = PAGE, manifest: Path | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m orchestration.dataset_page")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it is stale")
    is_check = parser.parse_args(arguments).check
    try:
        due = made(read_manifest(manifest or prepare_manifest(Settings())))
    except (DatasetError, DbtProjectError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not is_check:
        page_path.write_text(due, encoding="utf-8")
        return 0
    found = page_path.read_text(encoding="utf-8") if page_path.exists() else ""
    if difference := staleness(found, due):
        sys.stderr.write(f"{difference}docs/datasets.md is stale: run 'make docs'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
