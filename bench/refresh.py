"""A refresh: a full one against its floor, an incremental one against a full one, and extraction.

`python -m bench.refresh --size small|full` prints JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import asyncpg
import dagster as dg
import duckdb
from adbc_driver_postgresql import dbapi

from backend.db.bootstrap import connect
from backend.jobs.launcher import FULL_TAG, REFRESH_JOB
from backend.settings import Settings
from backend.warehouse.build import BUILD_DIR_VARIABLE
from backend.warehouse.contents import Generation
from backend.warehouse.generation import read, resolve
from backend.warehouse.source_queries import TABLES
from backend.warehouse.source_reader import take_snapshot
from bench.common import instance, machine, report, size, skipped, timed
from bench.large_ledger import change_some, load
from orchestration.dbt_project import PROJECT
from orchestration.graph import build_definitions

NAME = "refresh"
SMALL, SIZES = (100_000,), (1_000_000, 10_000_000)
CHANGED = 0.001
FETCHED = 200_000  # rows for the methods that hold them all in Python


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. `start` is what Dagster and dbt take before the first stage and the first model."""

    stages: dict[str, float]
    start: float
    generation: Generation

    @property
    def work(self) -> float:
        return sum(self.stages.values())


def main() -> None:
    machine()
    logging.getLogger("dagster").setLevel(logging.ERROR)
    chosen = size()
    for rows in SMALL if chosen == "small" else SIZES:
        with instance() as settings:
            say(f"load {rows:,} transactions", timed(lambda n=rows: load(settings, n)), rows)
            full = refresh(settings, full=True)
            against_the_floor(settings, full, rows)
            changed = change_some(settings, CHANGED)
            incremental = refresh(settings, full=False)
            assert incremental.generation.kind == "incremental", incremental.generation.reason
            against_full(incremental, full, changed, rows)
            if rows == (SMALL if chosen == "small" else SIZES)[0]:
                methods(settings, rows)
    if chosen == "small":
        for rows in SIZES:
            skipped(NAME, f"full and incremental, {rows:,} transactions", "SIZE=full has it")


def refresh(settings: Settings, *, full: bool) -> Timings:
    job = build_definitions(settings).resolve_job_def(REFRESH_JOB)
    # dbt reports on stdout, which belongs to the JSON lines.
    with dg.DagsterInstance.ephemeral() as recorded, redirect_stdout(sys.stderr):
        started = time.perf_counter()
        result = job.execute_in_process(instance=recorded, tags={FULL_TAG: "true"} if full else {})
        whole = time.perf_counter() - started
        steps = recorded.get_run_step_stats(result.run_id)
    stages = {s.step_key: (s.end_time or 0) - (s.start_time or 0) for s in steps}
    dbt = dbt_start(settings)
    dagster = whole - sum(stages.values())
    stages["dbt_build"] -= dbt
    folder = resolve(settings.warehouse_dir)
    assert folder is not None
    return Timings(stages, dagster + dbt, read(folder))


def dbt_start(settings: Settings) -> float:
    """Seconds of a dbt that finds nothing to build."""
    target = settings.home / "dbt" / "target"
    with tempfile.TemporaryDirectory() as folder:
        duckdb.connect(Path(folder) / "source.duckdb").close()
        command = [
            str(Path(sys.executable).with_name("dbt")), "--quiet", "build", "--select", "nothing",
            "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
            "--target-path", str(target), "--log-path", folder,
        ]  # fmt: skip
        environment = os.environ | {
            BUILD_DIR_VARIABLE: folder,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        return timed(
            lambda: subprocess.run(command, env=environment, check=True, capture_output=True)
        )


def against_the_floor(settings: Settings, full: Timings, rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="outlay-bench-floor-") as folder:
        extraction = timed(lambda: bare_extraction(settings, Path(folder)))
        manifest = settings.warehouse_dir / full.generation.id / "manifest.json"
        marts = timed(lambda: marts_by_hand(manifest, Path(folder)))
    for stage, seconds in full.stages.items():
        say(f"full, {rows:,}: {stage}", seconds, rows)
    say(f"full, {rows:,}: start of Dagster and dbt", full.start, rows)
    say(f"floor, {rows:,}: bare extraction", extraction, rows)
    say(f"floor, {rows:,}: the marts' SQL by hand", marts, rows)
    report(
        NAME,
        f"full, {rows:,}; floor: bare extraction and the marts' SQL by hand; start apart",
        ours=full.work,
        floor=extraction + marts,
        unit="s",
        rows=rows,
        aim=1.5,
    )


def bare_extraction(settings: Settings, folder: Path) -> None:
    """The rows of the tables into DuckDB, and nothing else."""
    with (
        closing(dbapi.connect(extract_url(settings), autocommit=True)) as source,
        source.cursor() as cursor,
        duckdb.connect(folder / "source.duckdb") as target,
    ):
        take_snapshot(cursor)
        target.execute("CREATE SCHEMA raw")
        for table in TABLES:
            columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
            target.execute(f"CREATE TABLE raw.{table.name} ({columns})")
            cursor.execute(table.query)
            with cursor.fetch_record_batch() as batches:
                target.register("batches", batches)
                target.execute(f"INSERT INTO raw.{table.name} BY NAME FROM batches")
                target.unregister("batches")


def marts_by_hand(manifest: Path, folder: Path) -> None:
    """Every model's compiled SQL, in its order, in one connection and without a test."""
    nodes = json.loads(manifest.read_text())["nodes"]
    models = {name: n for name, n in nodes.items() if n["resource_type"] == "model"}
    order = TopologicalSorter(
        {name: set(n["depends_on"]["nodes"]) & set(models) for name, n in models.items()}
    )
    with duckdb.connect(folder / "outlay.duckdb", config={"threads": 2}) as connection:
        connection.execute(f"ATTACH '{folder / 'source.duckdb'}' AS source")
        for name in order.static_order():
            model = models[name]
            kind = "VIEW" if model["config"]["materialized"] == "view" else "TABLE"
            schema = f'"{model["database"]}"."{model["schema"]}"'
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.execute(
                f"CREATE {kind} {model['relation_name']} AS ({model['compiled_code']})"
            )


def against_full(incremental: Timings, full: Timings, changed: int, rows: int) -> None:
    for stage, seconds in incremental.stages.items():
        say(f"incremental, {rows:,}: {stage}", seconds, rows)
    say(f"incremental, {rows:,}: start of Dagster and dbt", incremental.start, rows)
    for case, ours, floor in (
        ("start apart", incremental.work, full.work),
        ("start included", incremental.work + incremental.start, full.work + full.start),
    ):
        report(
            NAME,
            f"incremental, {changed:,} of {rows:,} changed anywhere; floor: a full one; {case}",
            ours=ours,
            floor=floor,
            unit="s",
            rows=rows,
            aim=0.15,
        )


def methods(settings: Settings, rows: int) -> None:
    """Rows a second of the transactions, by how they are read."""
    table = next(table for table in TABLES if table.name == "transactions")
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())

    def by_adbc() -> None:
        with (
            closing(dbapi.connect(extract_url(settings), autocommit=True)) as source,
            source.cursor() as cursor,
            duckdb.connect() as target,
        ):
            target.execute(f"CREATE TABLE read ({columns})")
            cursor.execute(table.query)
            with cursor.fetch_record_batch() as batches:
                target.register("batches", batches)
                target.execute("INSERT INTO read BY NAME FROM batches")

    def by_csv() -> None:
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as target:
            file = Path(folder) / "transactions.csv"

            async def copy(connection: asyncpg.Connection) -> None:
                await connection.copy_from_query(
                    table.query, output=file, format="csv", header=True
                )

            run(settings, copy)
            target.execute(f"CREATE TABLE read ({columns})")
            target.execute(f"COPY read FROM '{file}' (HEADER)")

    async def fetch(connection: asyncpg.Connection) -> None:
        await connection.fetch(f"{table.query} LIMIT {FETCHED}")

    fetched = min(rows, FETCHED)
    for case, read_all, read_rows in (
        ("ADBC, Arrow batches into DuckDB", by_adbc, rows),
        ("COPY to CSV, read by DuckDB", by_csv, rows),
        ("asyncpg fetch, rows in Python only", lambda: run(settings, fetch), fetched),
    ):
        report(
            NAME,
            f"extraction of transactions: {case}",
            ours=read_rows / timed(read_all),
            floor=None,
            unit="rows/s",
            rows=read_rows,
            better="higher",
        )


def run(settings: Settings, work: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def connected() -> None:
        connection = await connect(settings.role_url("outlay_extract"))
        try:
            await work(connection)
        finally:
            await connection.close()

    asyncio.run(connected())


def extract_url(settings: Settings) -> str:
    return settings.role_url("outlay_extract").render_as_string(hide_password=False)


def say(case: str, seconds: float, rows: int) -> None:
    report(NAME, case, ours=seconds, floor=None, unit="s", rows=rows)


if __name__ == "__main__":
    main()
