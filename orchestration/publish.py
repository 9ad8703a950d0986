"""The last stage of a refresh: audit what was built, publish it, prune what need not stay."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import dagster as dg
import duckdb

from backend.jobs.launcher import GENERATION_TAG
from backend.warehouse.build import BuildRecord
from backend.warehouse.contents import Contents
from backend.warehouse.datasets import DatasetError
from backend.warehouse.generation import Generation, publish
from backend.warehouse.manifest import MARTS
from backend.warehouse.registry import load_registry
from backend.warehouse.retention import prune
from orchestration.refresh import RECONCILIATION
from orchestration.resources import OWNERS, POOL, Build
from orchestration.tables import describe


def generation(marts: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key="generation",
        deps=[RECONCILIATION, *marts],
        group_name="publication",
        owners=OWNERS,
        kinds={"duckdb"},
        description="What readers are served from now on: all marts of one refresh, immutable.",
        pool=POOL,
    )
    def write_audit_publish(
        context: dg.AssetExecutionContext, build: dg.ResourceParam[Build]
    ) -> dg.MaterializeResult[Any]:
        published = publish(
            build.folder,
            _audit(build),
            now=datetime.now(UTC),
            crash_at=build.crash_at,
        )
        context.instance.add_run_tags(context.run.run_id, {GENERATION_TAG: published.id})
        pruned = _prune(context, build)
        return dg.MaterializeResult(metadata=_metadata(published, pruned))

    return write_audit_publish


def _audit(build: Build) -> Contents:
    """What there is to publish; a build that lacks a stage or a dataset's declaration fails."""
    record = build.record()
    source, dbt, reconciled = record.source, record.dbt, record.reconciliation
    if source is None or record.organizations is None or dbt is None or reconciled is None:
        raise dg.Failure(
            f"This run did not do: {', '.join(_undone(record))}. Nothing is published. Launch the "
            "job `refresh`, or materialize all assets together.",
            allow_retries=False,
        )
    shutil.copy(build.folder / "dbt" / "manifest.json", build.folder / "manifest.json")
    database = build.folder / "outlay.duckdb"
    try:
        with duckdb.connect(database, read_only=True) as connection:
            load_registry(build.folder / "manifest.json", connection)
    except DatasetError as error:
        raise dg.Failure(f"{error} Nothing is published.", allow_retries=False) from None
    return Contents(
        app_version=version("outlay"),
        code=record.code,
        kind=record.kind,
        reason=record.reason,
        changed=record.changed,
        merged=record.merged,
        source=source,
        organizations=record.organizations,
        tables={
            name: table.rows or 0
            for (schema, name), table in describe(database).items()
            if schema == MARTS
        },
        dbt=dbt,
        reconciliation=reconciled,
    )


def _undone(record: BuildRecord) -> list[str]:
    stages = {
        "extract": record.source,
        "dbt build of all models and tests": record.dbt,
        "reconciliation": record.reconciliation,
    }
    return [name for name, result in stages.items() if result is None]


def _prune(context: dg.AssetExecutionContext, build: Build) -> list[str]:
    try:
        return prune(
            build.settings.warehouse_dir,
            now=datetime.now(UTC),
            max_bytes=build.settings.warehouse_max_bytes,
            crash_at=build.crash_at,
        )
    except OSError as error:  # readers have the new generation; the next refresh prunes again
        context.log.warning("Old generations could not be pruned: %s", error)
        return []


def _metadata(published: Generation, pruned: list[str]) -> dict[str, Any]:
    return {
        "generation": published.id,
        "kind": published.kind,
        "reason": published.reason,
        "changed": dg.MetadataValue.json(published.changed or {}),
        "snapshot": published.source.snapshot,
        "as_of": dg.MetadataValue.timestamp(published.source.taken_at),
        "organizations": published.organizations,
        "sha256": published.sha256,
        "tables": dg.MetadataValue.json(published.tables),
        "dbt": dg.MetadataValue.json(published.dbt.model_dump()),
        "pruned": dg.MetadataValue.json(pruned),
    }
