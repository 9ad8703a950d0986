"""Generations before the current one: found by id and by instant, few kept open, then gone."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from backend.errors import Gone, InvalidInput, Unavailable
from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.contents import Generation
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from tests.warehouse.hand_made import ACME, BOB, NOON, publish_hand_made

OWNER = Scope(BOB, ACME, Role.OWNER)
DAYS = QuerySpec(dataset="dim_date", measures=("days",))
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def warehouse(home: Path) -> AsyncIterator[Warehouse]:
    warehouse = Warehouse(Settings(home=home), now=lambda: NOON + 9 * HOUR)
    yield warehouse
    warehouse.close()


def publish(home: Path, hours: int) -> Generation:
    """With as many days more than seven as hours have passed since noon."""
    day = "INSERT INTO marts.dim_date VALUES ('2030-01-01', false)"
    return publish_hand_made(home / "warehouse", now=NOON + hours * HOUR, statements=[day] * hours)


async def days(warehouse: Warehouse, as_of: str | None = None) -> tuple[str, int]:
    async with warehouse.snapshot(as_of) as snapshot:
        [row] = json.loads((await snapshot.rows(DAYS, OWNER)).rows)
        return snapshot.generation, row["days"] - 7


def open_files(home: Path) -> set[str]:
    links = (path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return {link.parent.name for link in links if link.is_relative_to(home / "warehouse")}


def instant(hours: float) -> str:
    return (NOON + hours * HOUR).isoformat()


async def test_as_of_an_id_or_an_instant(warehouse: Warehouse, home: Path) -> None:
    ids = [publish(home, hours).id for hours in range(4)]
    for number, identity in enumerate(ids):
        assert await days(warehouse, identity) == (identity, number)
        assert await days(warehouse, instant(number)) == (identity, number)
        assert await days(warehouse, instant(number + 0.9)) == (identity, number)
    assert await days(warehouse, instant(10_000)) == (ids[3], 3)
    assert await days(warehouse) == (ids[3], 3)
    far_east = (NOON + HOUR).isoformat().replace("T13", "T22").replace("+00:00", "+09:00")
    assert await days(warehouse, far_east) == (ids[1], 1)


async def test_what_is_not_kept_is_gone_and_the_oldest_that_is_can_be_asked_for(
    warehouse: Warehouse, home: Path
) -> None:
    pruned, oldest, _ = (publish(home, hours) for hours in range(3))
    assert (await days(warehouse, pruned.id))[1] == 0
    shutil.rmtree(home / "warehouse" / pruned.id)
    for as_of in (pruned.id, instant(0), "1970-01-01T00:00Z", "20250310T120000Z-ffffffff"):
        with pytest.raises(Gone, match=r"2025-03-10T13:00:00Z") as refusal:
            await days(warehouse, as_of)
        assert refusal.value.errors[0].pointer == "#/as_of"
    assert await days(warehouse, "2025-03-10T13:00:00Z") == (oldest.id, 1)
    assert pruned.id not in open_files(home)


async def test_one_that_was_never_published_is_gone_too(warehouse: Warehouse, home: Path) -> None:
    abandoned = publish(home, 5)
    published = publish(home, 6)
    later = home / "warehouse" / "20990101T000000Z-00000000"
    shutil.copytree(home / "warehouse" / abandoned.id, later)
    with pytest.raises(Gone):
        await days(warehouse, later.name)
    assert await days(warehouse, "2999-01-01T00:00Z") == (published.id, 6)


@pytest.mark.parametrize("as_of", ["yesterday", "2025-13-01T00:00Z", "2025-01-01T00:00", "..", ""])
async def test_no_moment(as_of: str, warehouse: Warehouse, home: Path) -> None:
    publish(home, 0)
    with pytest.raises(InvalidInput):
        await days(warehouse, as_of)


async def test_before_the_first_generation(warehouse: Warehouse) -> None:
    with pytest.raises(Unavailable, match="no generation"):
        await days(warehouse, instant(0))


async def test_few_older_ones_stay_open(warehouse: Warehouse, home: Path) -> None:
    ids = [publish(home, hours).id for hours in range(6)]
    await days(warehouse)
    for identity in ids:
        await days(warehouse, identity)
    assert open_files(home) == {ids[5], ids[4], ids[3]}
    await days(warehouse, ids[3])
    await days(warehouse, ids[0])
    assert open_files(home) == {ids[5], ids[3], ids[0]}
    warehouse.close()
    assert open_files(home) == set()


async def test_one_in_use_is_never_closed(warehouse: Warehouse, home: Path) -> None:
    ids = [publish(home, hours).id for hours in range(5)]
    async with warehouse.snapshot(ids[0]) as held:
        for identity in ids:
            await days(warehouse, identity)
        [row] = json.loads((await held.rows(DAYS, OWNER)).rows)
        assert row == {"days": 7}
        assert ids[0] in open_files(home)


async def test_what_was_current_can_be_held_on_while_somebody_holds_it(
    warehouse: Warehouse, home: Path
) -> None:
    """One process cannot open a file twice with different settings."""
    old = publish(home, 0)
    async with warehouse.snapshot():
        new = publish(home, 1)
        assert await days(warehouse) == (new.id, 1)
        assert await days(warehouse, old.id) == (old.id, 0)
    assert open_files(home) == {new.id}
    assert await days(warehouse, old.id) == (old.id, 0)


async def test_what_was_current_when_last_asked_is_not_opened_again(
    warehouse: Warehouse, home: Path
) -> None:
    old = publish(home, 0)
    await days(warehouse)
    new = publish(home, 1)
    assert await days(warehouse, old.id) == (old.id, 0)
    assert await days(warehouse) == (new.id, 1)
    assert await days(warehouse, old.id) == (old.id, 0)


async def test_many_at_once_in_many_generations(warehouse: Warehouse, home: Path) -> None:
    ids = [publish(home, hours).id for hours in range(6)]
    asked = [(identity, number) for number, identity in enumerate(ids)] * 8
    assert await asyncio.gather(*(days(warehouse, identity) for identity, _ in asked)) == asked
    assert len(open_files(home)) <= 3


async def test_an_older_one_that_is_damaged_is_unavailable(
    warehouse: Warehouse, home: Path
) -> None:
    old, new = publish(home, 0), publish(home, 1)
    (home / "warehouse" / old.id / "manifest.json").write_text("{")
    with pytest.raises(Unavailable, match=old.id):
        await days(warehouse, old.id)
    assert await days(warehouse) == (new.id, 1)
