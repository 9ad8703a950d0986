"""The main job: a dataset query against its floors, a refresh stage by stage, start-up times.

`python -m bench.main --size small|full` prints JSON lines.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import httpx
from pydantic import BaseModel

from backend.cli.ports import free_port
from backend.cli.seed import run_synthetic_seed
from backend.cli.token import make_token
from backend.settings import Settings
from backend.warehouse.compiler import compile_query
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from bench.common import instance, machine, paired, report, size, skipped, timed
from bench.scopes import owner_scope
from orchestration.run import run_refresh

NAME = "main"
PAGE = 1_000


def main() -> None:
    machine()
    chosen = size()
    transactions = 100_000 if chosen == "small" else 1_000_000
    with instance() as settings:
        run_synthetic_seed(settings, transactions=transactions, people=200, organizations=1)
        refresh_stages(settings, transactions)
        dataset_query(settings)
        http_query(settings)
    if chosen == "small":
        skipped(NAME, "start-up", "takes longer than a minute; use SIZE=full")
    else:
        start_up()


def refresh_stages(settings: Settings, transactions: int) -> None:
    """Seconds of each stage of one full refresh, as Dagster recorded them."""
    seconds: dict[str, float] = {}
    total = timed(lambda: run_refresh(settings, on_step=seconds.__setitem__))
    for stage, taken in seconds.items():
        report(
            NAME,
            f"refresh {transactions:,}: {stage}",
            ours=taken,
            floor=None,
            unit="s",
            rows=transactions,
        )
    report(NAME, f"refresh {transactions:,}", ours=total, floor=None, unit="s", rows=transactions)


def dataset_query(settings: Settings) -> None:
    """Server time of a 1,000-row answer against DuckDB's bare fetch of the same SQL."""
    scope = asyncio.run(owner_scope(settings))
    warehouse = Warehouse(settings)
    with asyncio.Runner() as runner:

        async def bare_parts() -> tuple[Path, str, dict[str, object]]:
            async with warehouse.snapshot() as snapshot:
                compiled = compile_query(
                    snapshot.dataset("fct_cost_events"), _spec(PAGE), scope
                )
                folder = settings.warehouse_dir / snapshot.generation
                return folder / "outlay.duckdb", compiled.sql, dict(compiled.parameters)

        async def answer() -> None:
            async with warehouse.snapshot() as snapshot:
                await snapshot.rows(_spec(PAGE), scope)

        database, sql, parameters = runner.run(bare_parts())
        with duckdb.connect(str(database), read_only=True, config=_caps(settings)) as connection:
            cursor = connection.cursor()
            ours, floor = paired(
                lambda: runner.run(answer()),
                lambda: cursor.execute(sql, parameters).fetchall(),
                times=100,
            )
        warehouse.close()
    report(
        NAME,
        "1,000-row JSON answer, server time, against a bare fetch of the same SQL",
        ours=ours * 1000,
        floor=floor * 1000,
        unit="ms",
        rows=PAGE,
        aim=1.5,
    )


def http_query(settings: Settings) -> None:
    """The same through HTTP, against a route of the same app that authenticates and sends bytes."""
    token = asyncio.run(
        make_token(
            settings,
            email=asyncio.run(owner_scope(settings, email=True)),
            organization=None,
            name="bench",
            scopes=("read",),
            life=timedelta(days=1),
        )
    )
    with _serving(settings) as url, httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}
    ) as client:
        query = f"/api/analytics/datasets/fct_cost_events/query?limit={PAGE}"
        body = client.get(query)
        body.raise_for_status()
        client.post("/floor", content=body.content).raise_for_status()
        ours, floor = paired(
            lambda: client.get(query).raise_for_status(),
            lambda: client.get("/floor").raise_for_status(),
            times=200,
        )
    report(
        NAME,
        "1,000-row JSON answer over HTTP, against an authenticated route that sends the same bytes",
        ours=ours * 1000,
        floor=floor * 1000,
        unit="ms",
        rows=PAGE,
    )
