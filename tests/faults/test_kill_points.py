"""`kill -9` at every named point of a refresh: what is served, and how the next one does."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from backend.settings import Settings
from backend.warehouse.crash_points import CrashPoint
from backend.warehouse.generation import published, read, resolve, verify
from orchestration.run import RefreshFailed, run_refresh
from tests.orchestration.small_ledger import instance_with_ledger

SERVES_THE_NEW_ONE = {CrashPoint.AFTER_FLIP, CrashPoint.PRUNE}


@pytest.fixture(scope="module")
def instance(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An instance that has published; under the smallest disk cap, every refresh prunes."""
    with instance_with_ledger(server_url, tmp_path_factory.mktemp("killed") / "home") as made:
        settings = made.model_copy(update={"warehouse_max_bytes": 1})
        run_refresh(settings)
        yield settings


def _exit_code_of_a_refresh(settings: Settings, crash_at: CrashPoint) -> int | None:
    """Of a process of its own, forked from one that has loaded Dagster already."""
    armed = settings.model_copy(update={"crash_at": crash_at})
    process = _processes().Process(target=run_refresh, args=(armed,))
    process.start()
    process.join()
    return process.exitcode


@cache
def _processes() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["orchestration.run"])
    return context


def _entries(warehouse: Path) -> Mapping[str, list[str]]:
    """Folders with their content, files with none."""
    return {
        path.name: sorted(p.name for p in path.iterdir()) if path.is_dir() else []
        for path in warehouse.iterdir()
    }


@pytest.mark.parametrize("point", list(CrashPoint))
def test_killed_at(instance: Settings, point: CrashPoint) -> None:
    warehouse = instance.warehouse_dir
    before = resolve(warehouse)
    assert before is not None

    assert _exit_code_of_a_refresh(instance, point) == -signal.SIGKILL

    served = resolve(warehouse)
    assert served is not None
    assert (served != before) == (point in SERVES_THE_NEW_ONE)
    assert verify(served), "what is served is whole"
    assert published(warehouse)[-1] == read(served)
    assert all(verify(warehouse / generation.id) for generation in published(warehouse))

    after = run_refresh(instance)

    assert resolve(warehouse) == warehouse / after.id
    assert verify(warehouse / after.id)
    assert _entries(warehouse) == {
        after.id: ["generation.json", "manifest.json", "outlay.duckdb"],
        "CURRENT": [],
        "build.lock": [],
    }


def test_an_unknown_point_is_refused_before_anything_is_built(instance: Settings) -> None:
    before = resolve(instance.warehouse_dir)

    with pytest.raises(RefreshFailed, match="Did you mean 'extract'"):
        run_refresh(instance.model_copy(update={"crash_at": "extrct"}))

    assert resolve(instance.warehouse_dir) == before
