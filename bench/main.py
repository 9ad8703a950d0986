"""The main job: a dataset query against its floors, a refresh stage by stage, start-up times.

`python -m bench.main --size small|full` prints JSON lines.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import dagster as dg
import httpx

from backend.cli.ports import free_port
from backend.cli.seed import run_synthetic_seed
from backend.jobs.launcher import REFRESH_JOB
from backend.settings import Settings
from backend.warehouse.generation import DATABASE, resolve
from backend.warehouse.spec import QuerySpec
from bench.callers import Caller, find_caller
from bench.common import instance, machine, paired, report, size, skipped, timed
from bench.queries.in_process import beside_bare_fetch
from bench.serving import serving
from orchestration.graph import build_definitions

NAME = "main"
PAGE = QuerySpec(dataset="fct_cost_events", limit=1_000)
STARTS_WITHIN_SECONDS = 600


def main() -> None:
    machine()
    chosen = size()
    for transactions in (20_000,) if chosen == "small" else (100_000, 1_000_000):
        with instance() as settings:
            seeding = timed(
                partial(
                    run_synthetic_seed,
                    settings,
                    transactions=transactions,
                    people=200,
                    organizations=1,
                )
            )
            _say(f"seed {transactions:,}", seeding, transactions)
            refresh_stages(settings, transactions)
            caller = find_caller(settings)
            dataset_query(settings, caller, transactions)
            http_query(settings, caller, transactions)
    if chosen == "small":
        skipped(NAME, "start-up", "takes longer than a minute; use SIZE=full")
    else:
        start_up()


def refresh_stages(settings: Settings, transactions: int) -> None:
    """Seconds of each stage of one full refresh, as Dagster recorded them."""
    logging.getLogger("dagster").setLevel(logging.ERROR)
    job = build_definitions(settings).resolve_job_def(REFRESH_JOB)
    # dbt reports on stdout, which belongs to the JSON lines.
    with dg.DagsterInstance.ephemeral() as recorded, redirect_stdout(sys.stderr):
        started = time.perf_counter()
        result = job.execute_in_process(instance=recorded)
        total = time.perf_counter() - started
        steps = recorded.get_run_step_stats(result.run_id)
    for step in steps:
        if step.start_time and step.end_time:
            seconds = step.end_time - step.start_time
            _say(f"refresh {transactions:,}: {step.step_key}", seconds, transactions)
    _say(f"refresh {transactions:,}: whole", total, transactions)


def dataset_query(settings: Settings, caller: Caller, transactions: int) -> None:
    """Server time of a 1,000-row answer against DuckDB's bare fetch of the same SQL."""
    generation = resolve(settings.warehouse_dir)
    assert generation is not None
    ours, floor = beside_bare_fetch(settings, generation / DATABASE, PAGE, caller.scope)
    report(
        NAME,
        f"1,000 rows of {transactions:,} as JSON, server time; floor: bare fetch of the same SQL",
        ours=ours * 1000,
        floor=floor * 1000,
        unit="ms",
        rows=PAGE.limit,
        aim=1.5,
    )


def http_query(settings: Settings, caller: Caller, transactions: int) -> None:
    """The same over HTTP, against a route of the same service that only sends the bytes."""
    headers = {"Authorization": f"Bearer {caller.token}"}
    with (
        serving(settings, "bench.floor_app:create_app") as url,
        httpx.Client(base_url=url, headers=headers) as client,
    ):
        path = f"/api/analytics/datasets/{PAGE.dataset}/query?limit={PAGE.limit}"
        body = client.get(path).raise_for_status().content
        client.put("/floor", content=body).raise_for_status()
        ours, floor = paired(
            lambda: client.get(path).raise_for_status(),
            lambda: client.get("/floor").raise_for_status(),
            times=200,
        )
    report(
        NAME,
        f"1,000 rows of {transactions:,} over HTTP; floor: authenticate and send the same bytes",
        ours=ours * 1000,
        floor=floor * 1000,
        unit="ms",
        rows=PAGE.limit,
    )


def start_up() -> None:
    """`outlay up --demo` until its board is there: the first time, and again with the data."""
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        for case in ("start-up, first: seed, refresh, serve", "start-up, again"):
            _say(case, _seconds_until_up(home), 0)


def _seconds_until_up(home: Path) -> float:
    environment = os.environ | {
        "OUTLAY_HOME": str(home),
        "OUTLAY_API_PORT": str(free_port()),
        "OUTLAY_DAGSTER_PORT": str(free_port()),
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.cli.main", "up", "--demo"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not (home / "board.json").exists():
            if process.poll() is not None or time.perf_counter() - started > STARTS_WITHIN_SECONDS:
                raise RuntimeError("outlay up did not come up")
            time.sleep(0.05)
        return time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _say(case: str, seconds: float, rows: int) -> None:
    report(NAME, case, ours=seconds, floor=None, unit="s", rows=rows)


if __name__ == "__main__":
    main()
