"""Publishing, resolving and pruning generations; dying in between."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.warehouse.build import (
    BuildInProgress,
    BuildRecord,
    ForeignBuild,
    new_build,
    sole_builder,
)
from backend.warehouse.contents import Contents, DbtResults, Generation, Reconciled, Source
from backend.warehouse.crash_points import CrashPoint, armed
from backend.warehouse.generation import publish, published, read, resolve, sweep, verify
from backend.warehouse.retention import Retained, prune, to_prune

NOON = datetime(2025, 6, 15, 12, 0, 0, tzinfo=UTC)
GENEROUS = 2**40
CONTENTS = Contents(
    app_version="1.2.3",
    source=Source(snapshot="100:100:", taken_at=NOON - timedelta(seconds=30)),
    organizations=2,
    tables={"fct_transactions": 12},
    dbt=DbtResults(passed=40, warned=1, failed=0),
    reconciliation=[
        Reconciled(
            fact="fct_transactions",
            currency="EUR",
            source_rows=12,
            mart_rows=12,
            source_amount=Decimal("99.9900"),
            mart_amount=Decimal("99.9900"),
        )
    ],
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse"


def _built(warehouse: Path, content: str = "marts", *, now: datetime = NOON) -> Path:
    build = new_build(warehouse, "run-1", now)
    (build / "outlay.duckdb").write_text(content)
    (build / "manifest.json").write_text("{}")
    (build / "source.duckdb").write_text("what the extract read")
    (build / "dbt").mkdir()
    (build / "dbt" / "dbt.log").write_text("")
    return build


def _publish(warehouse: Path, content: str = "marts", *, now: datetime = NOON) -> Generation:
    return publish(_built(warehouse, content, now=now), CONTENTS, now=now)


def _entries(warehouse: Path) -> set[str]:
    return {path.name for path in warehouse.iterdir()}


def test_before_the_first_publication_nothing_resolves(warehouse: Path) -> None:
    assert resolve(warehouse) is None
    assert published(warehouse) == []


def test_a_published_generation_holds_the_marts_and_its_description_only(warehouse: Path) -> None:
    generation = _publish(warehouse)

    folder = resolve(warehouse)
    assert folder == warehouse / generation.id
    assert {p.name for p in folder.iterdir()} == {
        "outlay.duckdb",
        "manifest.json",
        "generation.json",
    }
    assert read(folder) == generation
    assert generation.id.startswith("20250615T120000Z-")
    assert generation.reconciliation[0].source_amount == Decimal("99.9900")
    assert _entries(warehouse) == {"CURRENT", generation.id}


def test_what_changed_after_publication_is_found_out(warehouse: Path) -> None:
    folder = warehouse / _publish(warehouse).id
    assert verify(folder)

    (folder / "outlay.duckdb").write_text("other")

    assert not verify(folder)


def test_a_build_in_the_making_is_not_visible(warehouse: Path) -> None:
    generation = _publish(warehouse)

    _built(warehouse, "half")

    assert resolve(warehouse) == warehouse / generation.id
    assert [g.id for g in published(warehouse)] == [generation.id]


def test_a_build_without_its_database_is_not_published(warehouse: Path) -> None:
    build = _built(warehouse)
    (build / "outlay.duckdb").unlink()

    with pytest.raises(FileNotFoundError, match="nothing to publish"):
        publish(build, CONTENTS, now=NOON)

    assert resolve(warehouse) is None


@pytest.mark.parametrize("content", ["../../etc", "", "20250615T120000Z-00000000"])
def test_a_pointer_to_no_whole_generation_resolves_to_nothing(
    warehouse: Path, content: str
) -> None:
    generation = _publish(warehouse)
    (warehouse / "CURRENT").write_text(content)

    assert resolve(warehouse) is None
    sweep(warehouse)
    assert (warehouse / generation.id).exists(), "a damaged pointer must not cost the history"


def test_ids_sort_by_publication_even_when_the_clock_is_set_back(warehouse: Path) -> None:
    times = [NOON, NOON, NOON - timedelta(hours=5)]
    ids = [_publish(warehouse, now=now).id for now in times]

    assert ids == sorted(ids)
    assert [g.id for g in published(warehouse)] == ids
    assert resolve(warehouse) == warehouse / ids[-1]


def test_only_one_builder_at_a_time(warehouse: Path) -> None:
    with (
        sole_builder(warehouse),
        pytest.raises(BuildInProgress, match=f"Process {os.getpid()} is already"),
        sole_builder(warehouse),
    ):
        pass
    with sole_builder(warehouse):
        pass


def test_a_new_build_ends_the_dbt_that_a_killed_builder_left(warehouse: Path) -> None:
    build = new_build(warehouse, "run-1", NOON)
    script = warehouse / "dbt"
    script.write_text("import time\nprint(flush=True)\ntime.sleep(60)\n")
    here, elsewhere = str(build), str(build / "elsewhere")
    commands = {
        "dbt here": ([str(script)], here),
        "dbt elsewhere": ([str(script)], elsewhere),
        "another program": (["-c", script.read_text()], here),
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | {"OUTLAY_BUILD_DIR": place},
            stdout=subprocess.PIPE,
        )
        for name, (command, place) in commands.items()
    }
    try:
        for process in running.values():
            assert process.stdout is not None
            process.stdout.readline()

        new_build(warehouse, "run-2", NOON)

        assert not psutil.pid_exists(running["dbt here"].pid)
        assert running["dbt elsewhere"].poll() is None
        assert running["another program"].poll() is None
    finally:
        for process in running.values():
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_a_run_does_not_take_over_the_build_of_another(warehouse: Path) -> None:
    build = new_build(warehouse, "run-1", NOON)

    assert BuildRecord.of_run(build, "run-1").started_at == NOON
    with pytest.raises(ForeignBuild, match="belongs to run run-1"):
        BuildRecord.of_run(build, "run-2")
    with pytest.raises(ForeignBuild, match="Nothing has been extracted"):
        BuildRecord.of_run(warehouse / "nowhere", "run-2")


def test_a_generation_that_readers_were_never_pointed_to_is_swept(warehouse: Path) -> None:
    first = _publish(warehouse)
    pointer = (warehouse / "CURRENT").read_text()
    orphan = _publish(warehouse)
    (warehouse / "CURRENT").write_text(pointer)  # as if killed before the flip
    (warehouse / "trash-20250101T000000Z-00000000").mkdir()
    (warehouse / "CURRENT.tmp").write_text("half")

    assert [g.id for g in published(warehouse)] == [first.id]
    second = _publish(warehouse, now=NOON + timedelta(minutes=5))

    assert [g.id for g in published(warehouse)] == [first.id, second.id]
    assert orphan.id not in _entries(warehouse)
    assert _entries(warehouse) == {"CURRENT", first.id, second.id}


def test_pruning_keeps_the_last_three_and_gives_the_space_back(warehouse: Path) -> None:
    ids = [_publish(warehouse, now=NOON - timedelta(days=30 - n)).id for n in range(5)]

    pruned = prune(warehouse, now=NOON, max_bytes=GENEROUS)

    assert pruned == ids[:2]
    assert _entries(warehouse) == {"CURRENT", *ids[2:]}


def test_half_a_pruned_generation_is_neither_found_nor_kept(warehouse: Path) -> None:
    ids = [_publish(warehouse, now=NOON - timedelta(days=30 - n)).id for n in range(4)]
    half = (warehouse / ids[0]).rename(warehouse / f"trash-{ids[0]}")
    (half / "manifest.json").unlink()

    assert [g.id for g in published(warehouse)] == ids[1:]
    prune(warehouse, now=NOON, max_bytes=GENEROUS)
    assert _entries(warehouse) == {"CURRENT", *ids[1:]}


def _retained(*ages: timedelta, size: int = 10) -> list[Retained]:
    """Named by age, oldest first."""
    return [Retained(str(age), NOON - age, size) for age in sorted(ages, reverse=True)]


def test_everything_younger_than_an_hour_stays() -> None:
    young = [timedelta(minutes=10 * n) for n in range(6)]
    old = [timedelta(hours=2), timedelta(hours=1)]
    generations = _retained(*young, *old)

    assert to_prune(generations, NOON, str(young[0]), GENEROUS) == [str(age) for age in old]


def test_the_last_of_each_of_seven_days_stays() -> None:
    # Two a day, at noon and a quarter of an hour before, for ten days.
    ages = [timedelta(days=d, minutes=m) for d in range(10) for m in (0, 15)]
    generations = _retained(*ages)

    pruned = set(to_prune(generations, NOON, "0:00:00", GENEROUS))

    kept_days = {timedelta(days=d) for d in range(7)}
    last_three_and_young = {timedelta(minutes=15)}
    assert {g.id for g in generations} - pruned == {
        str(a) for a in kept_days | last_three_and_young
    }


def test_under_the_disk_cap_the_oldest_go_first() -> None:
    ages = [timedelta(minutes=n) for n in range(4)]
    generations = _retained(*ages, size=10)

    assert to_prune(generations, NOON, str(ages[0]), 25) == [str(ages[3]), str(ages[2])]
    assert str(ages[0]) not in to_prune(generations, NOON, str(ages[0]), 1)


@given(
    ages=st.lists(st.integers(0, 14 * 24 * 60), min_size=1, unique=True),
    sizes=st.integers(1, 100),
    cap=st.integers(1, 2000),
    data=st.data(),
)
def test_the_current_generation_is_never_pruned_and_the_cap_holds(
    ages: list[int], sizes: int, cap: int, data: st.DataObject
) -> None:
    generations = _retained(*(timedelta(minutes=age) for age in ages), size=sizes)
    current = data.draw(st.sampled_from([g.id for g in generations]))

    pruned = to_prune(generations, NOON, current, cap)

    kept = [g for g in generations if g.id not in pruned]
    assert current in {g.id for g in kept}
    assert sum(g.bytes for g in kept) <= cap or [g.id for g in kept] == [current]


def test_an_unknown_crash_point_is_an_error() -> None:
    assert armed(None) is None
    assert armed("prune") is CrashPoint.PRUNE
    with pytest.raises(ValueError, match="Did you mean 'before_fsync'"):
        armed("before_sync")
