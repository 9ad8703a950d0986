"""What a run needs besides Dagster: the settings and the one build place, held while it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from backend.jobs.launcher import FULL_TAG
from backend.settings import Settings
from backend.warehouse.build import (
    BuildInProgress,
    BuildRecord,
    ForeignBuild,
    build_dir,
    new_build,
    sole_builder,
    was_incremental_and_failed,
)
from backend.warehouse.crash_points import CrashPoint, armed
from backend.warehouse.extract import ASKED_FOR
from backend.warehouse.incremental.base import Base, find_base

POOL = "warehouse"  # of every asset: one run at a time
OWNERS = ["team:data"]


@dataclass(frozen=True, slots=True)
class Build:
    """The build place, as the only run that may work in it sees it."""

    settings: Settings
    run_id: str
    crash_at: CrashPoint | None
    full: bool = False  # asked for

    @property
    def folder(self) -> Path:
        return build_dir(self.settings.warehouse_dir)

    def start(self, code: str) -> Base | str:
        """Begin anew; what a former run left is gone then.

        Answers what to go on from, or why everything is to be read.
        """
        failed = was_incremental_and_failed(self.folder)
        new_build(self.settings.warehouse_dir, self.run_id, datetime.now(UTC))
        if self.full:
            return ASKED_FOR
        if failed:
            return "The last refresh was an incremental one and failed."
        return find_base(self.settings.warehouse_dir, code)

    def record(self) -> BuildRecord:
        """What this run has done so far; fails when the build place holds another run's work."""
        try:
            return BuildRecord.of_run(self.folder, self.run_id)
        except ForeignBuild as error:
            raise dg.Failure(
                f"{error} A generation is built by one run as a whole: launch the job `refresh`, "
                "or materialize all assets together.",
                allow_retries=False,
            ) from None


def build_resource(settings: Settings) -> dg.ResourceDefinition:
    @dg.resource(description="The build place; a second run fails while one holds it.")
    def build(context: dg.InitResourceContext) -> Iterator[Build]:
        try:
            with sole_builder(settings.warehouse_dir):
                run = context.run
                yield Build(
                    settings,
                    run.run_id if run else "",
                    armed(settings.crash_at),
                    full=run is not None and run.tags.get(FULL_TAG) == "true",
                )
        except BuildInProgress as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return build


def table_metadata(
    columns: dict[str, str], rows: int | None, descriptions: dict[str, str] | None = None
) -> dict[str, Any]:
    """Dagster's names for what a table is; `rows` is None for a view."""
    schema = dg.TableSchema(
        [
            dg.TableColumn(name, kind, description=(descriptions or {}).get(name))
            for name, kind in columns.items()
        ]
    )
    return {
        "dagster/column_schema": schema,
        **({} if rows is None else {"dagster/row_count": rows}),
    }
