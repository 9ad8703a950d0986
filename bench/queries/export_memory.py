"""The most memory that a server takes while it sends millions of rows, above what it takes idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import psutil

from bench.common import report
from bench.queries.over_http import UNCACHED, answered, asked_of, rows_of
from bench.queries.people import Callers
from bench.queries.server_time import NAME
from bench.queries.world import FIRST_DAY, LAST_DAY, World
from bench.serving import serving_process

_SAMPLE_SECONDS = 0.02
_MEBIBYTE = 2**20
_READ_BYTES = 2**18


class Memory:
    """What the process takes, in bytes: its resident set, which counts pages of files as well."""

    def __init__(self, process: int) -> None:
        self._process = psutil.Process(process)
        self.highest = self.now()

    def now(self) -> int:
        return int(self._process.memory_info().rss)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """`highest` is the most of any moment in the block."""
        over = threading.Event()

        def sample() -> None:
            while not over.wait(_SAMPLE_SECONDS):
                self.highest = max(self.highest, self.now())

        watching = threading.Thread(target=sample)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()


def csv_export(world: World, callers: Callers) -> None:
    """Half of the rows, that is of the days, for who sees the whole organization."""
    half = (LAST_DAY - FIRST_DAY).days // 2
    last = FIRST_DAY + timedelta(days=half)
    with serving_process(world.settings, "api.app:create_app", UNCACHED) as (url, process):
        answered(rows_of(url, callers.analyst))  # opens the generation
        memory = Memory(process)
        idle = memory.highest
        query = f"{url}/api/analytics/datasets/fct_cost_events/query"
        parameters = {"format": "csv", "start_date": str(FIRST_DAY), "end_date": str(last)}
        lines = 0
        with (
            memory.watched(),
            httpx.stream(
                "GET", query, params=parameters, headers=dict(asked_of(callers.analyst)), timeout=60
            ) as response,
        ):
            response.raise_for_status()
            for piece in response.iter_raw(_READ_BYTES):
                lines += piece.count(b"\n")
    assert lines - 1 >= world.rows * 0.49, lines
    report(
        NAME,
        f"h: peak memory above idle of a CSV export of {lines - 1:,} rows over HTTP",
        ours=(memory.highest - idle) / _MEBIBYTE,
        floor=None,
        unit="MiB",
        rows=world.rows,
        aim=300,
    )
