"""dbt's models and tests as assets and asset checks."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, dbt_assets
from packaging.version import Version

from backend.warehouse.contents import DbtResults
from backend.warehouse.crash_points import CrashPoint, crash_point
from orchestration import dbt_project
from orchestration.resources import OWNERS, POOL, Build, table_metadata
from orchestration.tables import Table, describe


class _Dbt(DbtCliResource):
    """Without what takes longer than the models of a small ledger, and is not needed here.

    `dbt --version` asks a package index for the newest one, and the adapter would open the files in
    this process. Both are internals of dagster-dbt, whose version is pinned.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        del args


def dbt_resource() -> DbtCliResource:
    project = str(dbt_project.PROJECT)
    return _Dbt(project_dir=project, profiles_dir=project, dbt_executable=dbt_project.executable())


class _Translator(DagsterDbtTranslator):
    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        return OWNERS


def dbt_models(manifest: Path) -> dg.AssetsDefinition:
    @dbt_assets(
        manifest=manifest, name="dbt_build", dagster_dbt_translator=_Translator(), pool=POOL
    )
    def models(
        context: dg.AssetExecutionContext, dbt: DbtCliResource, build: dg.ResourceParam[Build]
    ) -> Iterator[Any]:
        record = build.record()
        with _variables(dbt_project.environment(build.settings)):
            invocation = dbt.cli(
                ["build"],
                context=context,
                target_path=build.folder / "dbt",
                raise_on_error=False,
            )
        # dbt holds the files while it works, so what the tables are is looked up when it has ended.
        events = list(_until_killed(invocation, build.crash_at))
        tables = describe(build.folder / "source.duckdb") | describe(build.folder / "outlay.duckdb")
        for event in events:
            is_table = isinstance(event, dg.Output)
            yield _described(event, invocation.manifest, tables) if is_table else event
        results = _results(invocation)
        if not invocation.is_successful():
            raise dg.Failure(
                "dbt build failed; nothing is published. " + "; ".join(_faults(results)),
                allow_retries=False,
            )
        if not _missing_nodes(invocation.manifest, results):  # else a part was selected
            record.dbt = _counts(results)
            record.save(build.folder)

    return models


def _missing_nodes(manifest: Mapping[str, Any], results: list[dict[str, Any]]) -> set[str]:
    """Models and tests of the project that a build left out."""
    expected = {
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "test", "seed", "snapshot"}
    } | set(manifest.get("unit_tests", {}))
    return expected - {result["unique_id"] for result in results}


def _until_killed(invocation: DbtCliInvocation, crash_at: CrashPoint | None) -> Iterator[Any]:
    for event in invocation.stream():
        if isinstance(event, dg.Output):
            crash_point(CrashPoint.BUILD, crash_at)
        if isinstance(event, dg.AssetCheckResult):
            crash_point(CrashPoint.TEST, crash_at)
        yield event


def _described(
    event: dg.Output[Any], manifest: Mapping[str, Any], tables: Mapping[tuple[str, str], Table]
) -> dg.Output[Any]:
    node = manifest["nodes"][event.metadata["unique_id"].value]
    table = tables[node["schema"], node["alias"]]
    descriptions = {name: c["description"] for name, c in node["columns"].items()}
    return event.with_metadata(
        {**event.metadata, **table_metadata(table.columns, table.rows, descriptions)}
    )


def _results(invocation: DbtCliInvocation) -> list[dict[str, Any]]:
    path = invocation.target_path / "run_results.json"
    if not path.exists():  # it did not come as far as running anything
        return []
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return results


def _counts(results: list[dict[str, Any]]) -> DbtResults:
    statuses = [r["status"] for r in results if r["unique_id"].split(".")[0].endswith("test")]
    return DbtResults(
        passed=statuses.count("pass"),
        warned=statuses.count("warn"),
        failed=sum(status in {"fail", "error"} for status in statuses),
    )


def _faults(results: list[dict[str, Any]]) -> Iterator[str]:
    for result in results:
        if result["status"] in {"fail", "error"}:
            yield f"{result['unique_id']}: {result['message']}"
    if not results:
        yield "It did not start; its log tells why."


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process: what starts dbt passes on its own environment only."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
