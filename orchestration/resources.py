"""What a run needs besides Dagster: the settings and the one build place, held while it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from backend.settings import Settings
from backend.warehouse.build import (
    BuildInProgress,
    BuildRecord,
    ForeignBuild,
    build_dir,
    new_build,
    sole_builder,
)
from backend.warehouse.crash_points import CrashPoint, armed

POOL = "warehouse"  # of every asset: one run at a time
OWNERS = ["team:data"]


@dataclass(frozen=True, slots=True)
class Build:
    """The build place, as the only run that may work in it sees it."""

    settings: Settings
    run_id: str
    crash_at: CrashPoint | None

    @property
    def folder(self) -> Path:
        return build_dir(self.settings.warehouse_dir)

    def start(self) -> None:
        """Begin anew; what a former run left is gone then."""
        new_build(self.settings.warehouse_dir, self.run_id, datetime.now(UTC))

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
                yield Build(settings, run.run_id if run else "", armed(settings.crash_at))
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
