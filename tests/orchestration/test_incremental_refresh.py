"""When the job `refresh` goes on from the current generation, and when it starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.db.engine import create_engine
from backend.settings import Settings
from backend.warehouse.build import BuildRecord, build_dir, was_incremental_and_failed
from backend.warehouse.contents import Generation
from backend.warehouse.extract import ASKED_FOR
from backend.warehouse.generation import DATABASE, resolve, verify
from backend.warehouse.incremental import base
from backend.warehouse.incremental.base import Base, find_base
from backend.warehouse.reconcile import Comparison, reconcile
from orchestration import refresh
from orchestration.run import RefreshFailed, run_refresh
from orchestration.upkeep import forget_tombstones
from tests.orchestration.small_ledger import instance_with_ledger
from tests.warehouse.compiled_models import differences


@pytest.fixture(scope="module")
def instance(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An instance that has published, in full: it had nothing to go on from."""
    with instance_with_ledger(server_url, tmp_path_factory.mktemp("went-on") / "home") as made:
        assert run_refresh(made).kind == "full"
        yield made


def write(settings: Settings, statement: str) -> None:
    """As the superuser, whom no policy binds."""

    async def run() -> None:
        engine = create_engine(
            settings.admin_url().set(drivername="postgresql+asyncpg"), pool_size=1
        )
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run())


def test_it_goes_on_from_the_current_generation_unless_a_full_one_is_asked_for(
    instance: Settings,
) -> None:
    before = resolve(instance.warehouse_dir)
    assert before is not None
    write(instance, "UPDATE transactions SET amount = amount + 1 WHERE kind = 'income'")

    after = run_refresh(instance)

    assert (after.kind, after.reason) == ("incremental", f"It goes on from {before.name}.")
    assert after.changed == {"days": 1, "accounts": 0, "lines": 1}
    assert after.merged == 1
    assert verify(before), "what it goes on from stays as it was"

    anew = run_refresh(instance, full=True)

    assert (anew.kind, anew.reason, anew.changed, anew.merged) == ("full", ASKED_FOR, None, 0)
    ours, theirs = (instance.warehouse_dir / g.id / DATABASE for g in (after, anew))
    assert differences(ours, theirs) == {}
    assert after.tables == anew.tables


def test_after_an_incremental_one_that_did_not_reconcile_the_next_is_a_full_one(
    instance: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resolve(instance.warehouse_dir)
    assert before is not None

    def disagreeing(folder: Path) -> list[Comparison]:
        first, *others = reconcile(folder)
        return [replace(first, mart_rows=first.mart_rows + 1), *others]

    with monkeypatch.context() as patched:
        patched.setattr(refresh, "reconcile", disagreeing)
        with pytest.raises(RefreshFailed, match="reconciliation"):
            run_refresh(instance)
    assert resolve(instance.warehouse_dir) == before
    assert verify(before)

    after = run_refresh(instance)

    assert after.kind == "full"
    assert "failed" in (after.reason or "")
    assert after.merged == 0


def test_only_what_failed_after_its_extract_is_distrusted(tmp_path: Path) -> None:
    build = build_dir(tmp_path)
    assert not was_incremental_and_failed(build)
    build.mkdir()
    record = BuildRecord(run_id="a", started_at="2026-01-01T00:00:00Z")  # type: ignore[arg-type]  # parsed
    record.save(build)
    assert not was_incremental_and_failed(build)
    record.kind = "incremental"
    record.save(build)
    assert was_incremental_and_failed(build)


def test_other_code_and_disorder_call_for_a_full_one(
    instance: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "another version" in str(find_base(instance.warehouse_dir, "other code"))
    folder = resolve(instance.warehouse_dir)
    assert folder is not None
    generation = Generation.model_validate_json((folder / "generation.json").read_text())
    code = generation.code or ""
    assert isinstance(find_base(instance.warehouse_dir, code), Base)

    def drifted(folder: Path) -> Generation:
        return generation.model_copy(update={"merged": base.ROW_GROUP + 1})

    monkeypatch.setattr(base, "read", drifted)
    assert "out of their order" in str(find_base(instance.warehouse_dir, code))


async def test_upkeep_forgets_old_deletions(settings: Settings) -> None:
    assert await forget_tombstones(settings) == 0
