"""dbt: its manifest made ready, and its models and tests as assets and asset checks."""

import fcntl
import hashlib
import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, dbt_assets
from packaging.version import Version

from backend.settings import PROJECT_ROOT, Settings
from backend.warehouse.build import BUILD_DIR_VARIABLE, build_dir
from backend.warehouse.contents import DbtResults
from backend.warehouse.crash_points import CrashPoint, crash_point
from orchestration.resources import OWNERS, POOL, Build, table_metadata
from orchestration.tables import Table, describe

PROJECT = PROJECT_ROOT / "dbt"
_NOT_PARSED = {"target", "logs", "dbt_packages", "lint", "__pycache__"}


class DbtProjectError(Exception):
    """The dbt project does not parse."""


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
    return _Dbt(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=_executable())


def prepare_manifest(settings: Settings) -> Path:
    """The manifest of the dbt project as it is now; parsed again when a file of it has changed.

    It lies in `$OUTLAY_HOME/dbt/target`, with what makes the next parse quick.
    """
    target = settings.home / "dbt" / "target"
    target.mkdir(parents=True, exist_ok=True)
    manifest, stamp = target / "manifest.json", target / "fingerprint"
    fingerprint = project_fingerprint()
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or not stamp.exists() or stamp.read_text() != fingerprint:
            _parse(settings, target)
            stamp.write_text(fingerprint)
    return manifest


def _parse(settings: Settings, target: Path) -> None:
    environment = _environment(settings) | {
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(  # noqa: S603  # our own project
        [_executable(), "parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)],
        env=os.environ | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtProjectError(f"dbt cannot parse {PROJECT}:\n{done.stdout}{done.stderr}")


def _environment(settings: Settings) -> dict[str, str]:
    """The same for parsing and building: dbt parses anew when a variable it reads has changed."""
    return {
        BUILD_DIR_VARIABLE: str(build_dir(settings.warehouse_dir)),
        "DBT_TARGET_PATH": str(settings.home / "dbt" / "target"),
    }


def project_fingerprint() -> str:
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')}".encode())
    for path in sorted(PROJECT.rglob("*")):
        place = path.relative_to(PROJECT)
        if path.is_file() and not _NOT_PARSED & set(place.parts):
            digest.update(f"{place}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _executable() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "dbt")


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
        # They test the code, and did so when the base of an incremental refresh was built by it.
        left_out = {"unit_test"} if record.kind == "incremental" else set()
        with _variables(_environment(build.settings)):
            invocation = dbt.cli(
                ["build", *(f"--exclude-resource-type={kind}" for kind in left_out)],
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
        if not _missing_nodes(invocation.manifest, results, left_out):  # else a part was selected
            record.dbt = _counts(results)
            record.save(build.folder)

    return models


def _missing_nodes(
    manifest: Mapping[str, Any], results: list[dict[str, Any]], left_out: set[str]
) -> set[str]:
    """Models and tests of the project that a build did not run, but those `left_out` by kind."""
    expected = {
        name
        for name, node in (manifest["nodes"] | manifest.get("unit_tests", {})).items()
        if node["resource_type"] in {"model", "test", "unit_test", "seed", "snapshot"} - left_out
    }
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
