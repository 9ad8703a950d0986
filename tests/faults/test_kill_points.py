"""`kill -9` at every named point of a refresh: what is served, and whether the next one succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from backend.settings import PROJECT_ROOT, Settings
from backend.warehouse.crash_points import CrashPoint
from backend.warehouse.generation import published, read, resolve, verify
from orchestration.run import run_refresh
from tests.orchestration.small_ledger import instance_with_ledger

SERVES_THE_NEW_ONE = {CrashPoint.AFTER_FLIP, CrashPoint.PRUNE}


@pytest.fixture(scope="module")
def instance(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An instance that has published; under the smallest disk cap, every refresh prunes."""
    with instance_with_ledger(server_url, tmp_path_factory.mktemp("killed") / "home") as settings:
        settings = settings.model_copy(update={"warehouse_max_bytes": 1})
        run_refresh(settings)
        yield settings


def _refresh_in_a_process(settings: Settings, **variables: str) -> subprocess.CompletedProcess[str]:
    assert settings.database_url is not None
    environment = {
        "OUTLAY_HOME": str(settings.home),
        "OUTLAY_DATABASE_URL": settings.database_url.get_secret_value(),
        "OUTLAY_EXTRACT_PASSWORD": settings.secrets.extract_password.get_secret_value(),
        "OUTLAY_WAREHOUSE_MAX_BYTES": str(settings.warehouse_max_bytes),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "orchestration.run"],
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


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

    died = _refresh_in_a_process(instance, OUTLAY_CRASH_AT=point)

    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    served = resolve(warehouse)
    assert served is not None
    assert (served != before) == (point in SERVES_THE_NEW_ONE)
    assert verify(served), "what is served is whole"
    assert published(warehouse)[-1] == read(served)
    assert all(verify(warehouse / generation.id) for generation in published(warehouse))

    after = run_refresh(instance)

    assert resolve(warehouse) == warehouse / after.id
    assert verify(warehouse / after.id)
    assert after.source.taken_at > read(served).source.taken_at if served.exists() else True
    assert _entries(warehouse) == {
        after.id: ["generation.json", "manifest.json", "outlay.duckdb"],
        "CURRENT": [],
        "build.lock": [],
    }


def test_an_unknown_point_is_refused_before_anything_is_built(instance: Settings) -> None:
    before = resolve(instance.warehouse_dir)

    refused = _refresh_in_a_process(instance, OUTLAY_CRASH_AT="extrct")

    assert refused.returncode == 1
    assert "Did you mean 'extract'" in refused.stderr
    assert resolve(instance.warehouse_dir) == before
