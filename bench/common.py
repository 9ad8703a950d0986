"""What every benchmark shares: an instance of its own, paired timing, JSON lines."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil

from backend.cli.database import prepare_database, running_database
from backend.settings import Settings

Better = Literal["lower", "higher"]


def report(
    name: str,
    case: str,
    *,
    ours: float,
    floor: float | None,
    unit: str,
    rows: int,
    aim: float | None = None,
    better: Better = "lower",
) -> None:
    """One JSON line. `ratio` is ours / floor; `aim` bounds it from the side that `better` names."""
    line = {
        "name": name,
        "case": case,
        "ours": round(ours, 6),
        "floor": None if floor is None else round(floor, 6),
        "unit": unit,
        "ratio": None if not floor else round(ours / floor, 3),
        "aim": aim,
        "better": better,
        "rows": rows,
    }
    print(json.dumps(line), flush=True)


def skipped(name: str, case: str, why: str) -> None:
    print(json.dumps({"name": name, "case": case, "skipped": why}), flush=True)


def machine() -> None:
    """Say what the figures were measured on, on stderr so that stdout stays JSON lines."""
    memory = psutil.virtual_memory().total / 2**30
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}",
        file=sys.stderr,
    )


def paired(
    ours: Callable[[], object], floor: Callable[[], object], *, times: int
) -> tuple[float, float]:
    """Median seconds of both."""
    mine, bare = alternating([ours, floor], times=times)
    return mine, bare


def alternating(runs: Sequence[Callable[[], object]], *, times: int) -> list[float]:
    """Median seconds of each, run in turn so that the machine's drift meets them alike."""
    for run in runs:
        run()
    return [
        statistics.median(seconds)
        for seconds in zip(*([timed(run) for run in runs] for _ in range(times)), strict=True)
    ]


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def size() -> Literal["small", "full"]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=("small", "full"), default="small")
    chosen: Literal["small", "full"] = parser.parse_args().size
    return chosen


@contextmanager
def instance() -> Iterator[Settings]:
    """A migrated instance in a temporary home, with its own embedded PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # root's PostgreSQL runs as somebody else
        settings = Settings(home=home)
        with running_database(settings):
            prepare_database(settings)
            yield settings
