"""The one place where the next generation grows: who builds there, and what is done so far.

``build/`` has a fixed path, so that dbt may reuse what it parsed. ``build.lock`` admits one
builder; ``build/record.json`` says whose run the content is: none publishes another's work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel

from backend.warehouse.contents import DbtResults, Kind, Reconciled, Source
from backend.warehouse.generation import sweep

LOCK = "build.lock"
RECORD = "record.json"
BUILD_DIR_VARIABLE = "OUTLAY_BUILD_DIR"  # names the build place to dbt


class BuildInProgress(Exception):
    """Another process is building."""


class ForeignBuild(Exception):
    """What lies in the build place was not made by this run."""


class BuildRecord(BaseModel):
    """The stages that one run has finished; a stage that has not been is None."""

    run_id: str
    started_at: datetime
    source: Source | None = None
    organizations: int | None = None
    code: str | None = None
    kind: Kind = "full"
    reason: str | None = None
    changed: dict[str, int] | None = None
    merged: int = 0
    dbt: DbtResults | None = None
    reconciliation: list[Reconciled] | None = None

    @classmethod
    def of_run(cls, build: Path, run_id: str) -> Self:
        """The record of `build`, provided that `run_id` made it; else ForeignBuild."""
        try:
            record = cls.model_validate_json((build / RECORD).read_text())
        except FileNotFoundError:
            raise ForeignBuild("Nothing has been extracted.") from None
        if record.run_id != run_id:
            raise ForeignBuild(f"The extracted data belongs to run {record.run_id}.")
        return record

    def save(self, build: Path) -> None:
        (build / RECORD).write_text(self.model_dump_json(indent=2))


def was_incremental_and_failed(build: Path) -> bool:
    """Whether an incremental refresh had read its part, and then was not published.

    Its base may be what it failed on: only a full refresh is sure not to fail on it again.
    """
    try:
        left = BuildRecord.model_validate_json((build / RECORD).read_text())
    except (FileNotFoundError, ValueError):  # nothing there, or killed while it was written
        return False
    return left.kind == "incremental"


def build_dir(warehouse: Path) -> Path:
    return warehouse / "build"


@contextmanager
def sole_builder(warehouse: Path) -> Iterator[None]:
    """Hold the build place until the block ends or this process dies, however it dies."""
    warehouse.mkdir(parents=True, exist_ok=True)
    with (warehouse / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise BuildInProgress(
                f"Process {lock.read() or 'unknown'} is already building in {warehouse}. "
                "Wait for its refresh to end, then try again."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def new_build(warehouse: Path, run_id: str, now: datetime) -> Path:
    """An empty build place for `run_id`; the caller is the sole builder.

    After a kill -9 of the last builder its dbt may still be writing there; it is ended first.
    """
    build = build_dir(warehouse)
    _end_orphans(build)
    sweep(warehouse)
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    BuildRecord(run_id=run_id, started_at=now).save(build)
    return build


def _end_orphans(build: Path) -> None:
    orphans = [process for process in psutil.process_iter() if _builds_in(process, build)]
    for process in orphans:
        process.kill()
    psutil.wait_procs(orphans, timeout=5)


def _builds_in(process: psutil.Process, build: Path) -> bool:
    """A dbt that was told to build in `build`; nobody's shell that merely exports the variable."""
    try:
        return (
            any(Path(argument).name == "dbt" for argument in process.cmdline()[:3])
            and process.environ().get(BUILD_DIR_VARIABLE) == str(build)
            and process.pid != os.getpid()
        )
    except (psutil.Error, OSError):  # gone, or another user's
        return False
