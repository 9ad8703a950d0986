"""Reading published generations: which one, how long, and what happens when something is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from backend.errors import InvalidInput, NotFound, QueryTimeout, Unavailable
from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spec import QuerySpec
from backend.warehouse.spill import new_spill_folder
from backend.warehouse.store import Warehouse
from tests.sizes import sized
from tests.warehouse.hand_made import (
    ACME,
    ALICE,
    ALICES,
    BOB,
    BOBS,
    EVES,
    FOOD,
    FOREIGN,
    NOON,
    TABLES,
    identity,
    publish_hand_made,
    sample_rows,
)

OWNER = Scope(BOB, ACME, Role.OWNER)
MEMBER = Scope(ALICE, ACME, Role.MEMBER)
UNKNOWN = UUID("0b76b248-2b82-488d-b5ea-de4272762a89")
TRANSACTIONS = QuerySpec(dataset="fct_transactions")
EVENTS = QuerySpec(dataset="fct_transactions", measures=("events",))


def endless(rows: int) -> list[str]:
    """Statements that let Alice have this many transactions, which are made while they are read."""
    made = {
        "organization_id": f"UUID '{ACME}'",
        "owner_id": f"UUID '{ALICE}'",
        "vendor": "'V' || range",
    }
    columns = ", ".join(
        f"{made.get(name, f'NULL::{type_}')} AS {name}"
        for name, type_ in TABLES["fct_transactions"].items()
    )
    return [
        "DROP TABLE marts.fct_transactions",
        f"CREATE VIEW marts.fct_transactions AS SELECT {columns} FROM range({rows})",
    ]


ENDLESS = endless(10**12)  # hours of reading
NEXT_TO_NOTHING = QuerySpec(dataset="dim_date", limit=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def warehouse(home: Path) -> AsyncIterator[Warehouse]:
    warehouse = Warehouse(Settings(home=home), now=lambda: NOON)
    yield warehouse
    warehouse.close()


def folder(home: Path) -> Path:
    return home / "warehouse"


async def rows(warehouse: Warehouse, spec: QuerySpec, scope: Scope = OWNER) -> Any:
    async with warehouse.snapshot() as snapshot:
        return json.loads((await snapshot.rows(spec, scope)).rows)


async def test_no_generation_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(Unavailable, match=r"POST /api/analytics/refresh.*outlay refresh"):
        await rows(warehouse, EVENTS)


async def test_the_first_generation_is_found_without_a_restart(
    warehouse: Warehouse, home: Path
) -> None:
    with pytest.raises(Unavailable):
        await rows(warehouse, EVENTS)
    generation = publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        assert snapshot.generation == generation.id
        assert snapshot.as_of == NOON
    assert await rows(warehouse, EVENTS) == [{"events": 10}]


async def test_age_and_staleness(home: Path) -> None:
    publish_hand_made(folder(home))
    settings = Settings(home=home, stale_after_seconds=60)
    for age, stale in ((60, False), (61, True)):
        warehouse = Warehouse(settings, now=lambda age=age: NOON + timedelta(seconds=age))
        async with warehouse.snapshot() as snapshot:
            assert (snapshot.age_seconds, snapshot.is_stale) == (age, stale)
        warehouse.close()


async def test_a_page_tells_whether_there_is_another(warehouse: Warehouse, home: Path) -> None:
    publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        first = await snapshot.rows(TRANSACTIONS.model_copy(update={"limit": 9}), OWNER)
        assert (first.count, len(json.loads(first.rows))) == (9, 9)
        assert first.next_cursor is not None
        rest = TRANSACTIONS.model_copy(update={"limit": 9, "offset": 9})
        last = await snapshot.rows(rest, OWNER)
        assert (last.count, last.next_cursor) == (1, None)
        exact = await snapshot.rows(TRANSACTIONS.model_copy(update={"limit": 10}), OWNER)
        assert exact.next_cursor is None


async def test_counts_are_those_of_the_caller(warehouse: Warehouse, home: Path) -> None:
    publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        counts = await snapshot.counts(MEMBER, snapshot.datasets.values())
    assert counts["fct_transactions"] == 5
    assert counts["dim_tags"] == 2
    assert counts["dim_date"] == 7


async def test_a_request_keeps_its_generation_to_the_end(warehouse: Warehouse, home: Path) -> None:
    old = publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        publish_hand_made(folder(home), {})
        assert await rows(warehouse, EVENTS) == [{"events": 0}]
        shutil.rmtree(folder(home) / old.id)  # pruned; the open file lives on
        assert json.loads((await snapshot.rows(EVENTS, OWNER)).rows) == [{"events": 10}]
        assert snapshot.generation == old.id


def open_files(path: Path) -> list[str]:
    links = Path("/proc/self/fd").iterdir()
    return [target for link in links if str(path) in (target := _read_link(link))]


def _read_link(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux to see open files")
async def test_an_old_generation_is_closed_when_its_last_reader_leaves(
    warehouse: Warehouse, home: Path
) -> None:
    old = publish_hand_made(folder(home))
    async with warehouse.snapshot():
        new = publish_hand_made(folder(home))
        await rows(warehouse, EVENTS)
        assert open_files(folder(home) / old.id)
    assert not open_files(folder(home) / old.id)
    assert open_files(folder(home) / new.id)
    warehouse.close()
    assert not open_files(folder(home))


def numbered(number: int) -> dict[str, list[tuple[Any, ...]]]:
    """A generation whose every row of two tables names its number."""
    sample = sample_rows()
    facts, accounts = sample["fct_transactions"], sample["dim_accounts"]
    return {
        "fct_transactions": [(*row[:5], f"V{number}", *row[6:]) for row in facts],
        "dim_accounts": [(*row[:3], f"V{number}") for row in accounts],
    }


@pytest.mark.long
async def test_publishing_under_load_fails_no_read_and_mixes_no_answer(
    warehouse: Warehouse, home: Path
) -> None:
    reads, publishes = sized(2_000, long=10_000), 5
    published = {publish_hand_made(folder(home), numbered(0)).id: {"V0"}}
    seen: dict[str, set[str]] = {}
    has_been_read = asyncio.Event()
    left = iter(range(reads))

    async def read(snapshot: Snapshot) -> None:
        for spec in (
            QuerySpec(dataset="fct_transactions", fields=("vendor", "account.name")),
            QuerySpec(dataset="dim_accounts", fields=("name",)),
        ):
            answered = json.loads((await snapshot.rows(spec, OWNER)).rows)
            assert len(answered) == (10 if spec.dataset == "fct_transactions" else 2)
            named = {value for row in answered for value in row.values()}
            seen.setdefault(snapshot.generation, set()).update(named)
        has_been_read.set()

    async def reader() -> None:
        for _ in left:
            async with warehouse.snapshot() as snapshot:
                await read(snapshot)

    async def publisher() -> None:
        for number in range(1, publishes + 1):
            await has_been_read.wait()
            rows = numbered(number)
            generation = await asyncio.to_thread(publish_hand_made, folder(home), rows)
            published[generation.id] = {f"V{number}"}
            has_been_read.clear()

    await asyncio.gather(publisher(), *(reader() for _ in range(8)))
    assert next(left, None) is None
    assert await rows(warehouse, EVENTS) == [{"events": 10}]
    assert len(seen) > publishes // 2
    assert seen.items() <= published.items()


async def test_a_slow_query_is_interrupted(home: Path) -> None:
    publish_hand_made(folder(home), {}, statements=ENDLESS)
    warehouse = Warehouse(Settings(home=home, query_timeout_seconds=0.3, query_concurrency=1))
    with pytest.raises(QueryTimeout, match=r"0.3 seconds"):
        await rows(warehouse, EVENTS)
    # The only place is free again, so the thread has really ended.
    assert await rows(warehouse, NEXT_TO_NOTHING) == []
    warehouse.close()


async def test_a_cancelled_query_is_interrupted(home: Path) -> None:
    old = publish_hand_made(folder(home), {}, statements=ENDLESS)
    warehouse = Warehouse(Settings(home=home, query_concurrency=1))
    assert await rows(warehouse, NEXT_TO_NOTHING) == []
    task = asyncio.create_task(rows(warehouse, EVENTS))
    await asyncio.sleep(0)  # now it is with its thread, which may not even have begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await rows(warehouse, NEXT_TO_NOTHING) == []
    publish_hand_made(folder(home))
    assert await rows(warehouse, EVENTS) == [{"events": 10}]
    assert not open_files(folder(home) / old.id)  # what was cancelled holds nothing
    warehouse.close()


class Late(Mapping[str, object]):
    """No parameters, but whoever reads them waits at the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        self.gate.wait(timeout=30)
        return iter(())

    def __len__(self) -> int:
        return 0


async def test_a_query_cancelled_before_it_begins_is_interrupted_too(home: Path) -> None:
    publish_hand_made(folder(home), {}, statements=ENDLESS)
    warehouse = Warehouse(Settings(home=home, query_concurrency=1))
    parameters = Late()
    async with warehouse.snapshot() as snapshot:
        sql = "SELECT count(*) FROM marts.fct_transactions WHERE vendor <> 'V1'"
        query = snapshot._execution.fetch(snapshot._opened, sql, parameters)
        task = asyncio.create_task(query)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        parameters.gate.set()
    assert await rows(warehouse, NEXT_TO_NOTHING) == []
    warehouse.close()


async def test_a_queue_that_does_not_move_is_refused(home: Path) -> None:
    publish_hand_made(folder(home), {}, statements=ENDLESS)
    warehouse = Warehouse(Settings(home=home, query_concurrency=1, query_timeout_seconds=0.2))
    answers = await asyncio.gather(
        *(rows(warehouse, EVENTS) for _ in range(6)), return_exceptions=True
    )
    refused = [error for error in answers if isinstance(error, Unavailable)]
    assert refused
    assert all(error.retry_after_seconds for error in refused)
    assert all(isinstance(error, Unavailable | QueryTimeout) for error in answers)
    warehouse.close()


async def test_many_queries_at_once(warehouse: Warehouse, home: Path) -> None:
    publish_hand_made(folder(home))
    scopes = [OWNER, MEMBER] * 50
    answers = await asyncio.gather(*(rows(warehouse, EVENTS, scope) for scope in scopes))
    assert answers == [[{"events": 10}], [{"events": 5}]] * 50


async def test_what_killed_readers_spilled_is_deleted(home: Path) -> None:
    settings = Settings(home=home)
    ours, theirs = new_spill_folder(settings), new_spill_folder(settings)
    theirs = theirs.with_name(theirs.name.replace(f".{os.getpid()}.", f".{os.getppid()}."))
    assert stat.S_IMODE(ours.parent.stat().st_mode) == 0o700  # it holds rows
    for left in (ours, theirs):
        left.mkdir()
        (left / "duckdb_temp_block").write_bytes(b"spilled")
    Warehouse(settings).close()
    assert not ours.exists()
    assert theirs.exists()  # that process lives


async def test_memory_is_capped(home: Path) -> None:
    publish_hand_made(folder(home), {}, statements=endless(2_000_000))
    warehouse = Warehouse(Settings(home=home, duckdb_memory_limit="10MB"))
    with pytest.raises(InvalidInput, match="10MB"):
        await rows(warehouse, QuerySpec(dataset="fct_transactions", measures=("vendors",)))
    assert await rows(warehouse, NEXT_TO_NOTHING) == []
    warehouse.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '{folder}/stray.csv'",
        "ATTACH '{folder}/stray.duckdb'",
        "INSTALL httpfs",
        "SET memory_limit = '90GB'",
        "SET enable_external_access = true",
        "DROP TABLE marts.dim_tags",
        "CREATE TABLE marts.x (y INTEGER)",
    ],
)
async def test_a_reader_can_reach_and_change_nothing(
    statement: str, warehouse: Warehouse, home: Path, tmp_path: Path
) -> None:
    publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        cursor = snapshot._opened.connection.cursor()
        with pytest.raises(duckdb.Error):
            cursor.execute(statement.format(folder=tmp_path)).fetchall()
    assert not list(tmp_path.glob("stray*"))  # noqa: ASYNC240


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def fill_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [cut, fill_with_zeros, Path.unlink])
@pytest.mark.parametrize("file", ["outlay.duckdb", "manifest.json", "generation.json"])
async def test_a_damaged_generation_is_unavailable_until_there_is_a_new_one(
    file: str, damage: Any, warehouse: Warehouse, home: Path
) -> None:
    broken = publish_hand_made(folder(home))
    damage(folder(home) / broken.id / file)
    with pytest.raises(Unavailable, match="refresh"):
        await rows(warehouse, EVENTS)
    shutil.rmtree(folder(home) / broken.id)
    publish_hand_made(folder(home))
    assert await rows(warehouse, EVENTS) == [{"events": 10}]


@pytest.mark.parametrize("pointer", ["", "../../etc", "20250310T120000Z-00000000", "\x00", "ü" * 9])
async def test_a_pointer_to_nowhere_is_unavailable(
    pointer: str, warehouse: Warehouse, home: Path
) -> None:
    publish_hand_made(folder(home))
    (folder(home) / "CURRENT").write_text(pointer)
    with pytest.raises(Unavailable):
        await rows(warehouse, EVENTS)


async def test_metadata_that_does_not_fit_is_unavailable(warehouse: Warehouse, home: Path) -> None:
    generation = publish_hand_made(folder(home))
    manifest = folder(home) / generation.id / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["nodes"]["model.outlay.fct_transactions"]["config"]["meta"]["access"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(Unavailable):
        await rows(warehouse, EVENTS)


async def test_many_first_readers_open_the_generation_once(
    warehouse: Warehouse, home: Path
) -> None:
    generation = publish_hand_made(folder(home))
    answers = await asyncio.gather(*(rows(warehouse, EVENTS) for _ in range(20)))
    assert answers == [[{"events": 10}]] * 20
    database = str(folder(home) / generation.id / "outlay.duckdb")
    assert open_files(Path(database)) == [database]


async def test_an_unknown_dataset(warehouse: Warehouse, home: Path) -> None:
    publish_hand_made(folder(home))
    with pytest.raises(NotFound, match="Did you mean 'fct_transactions'"):
        await rows(warehouse, QuerySpec(dataset="fct_transaction"))


SHARING = Scope(ALICE, ACME, Role.MEMBER, shared_account_ids=frozenset({BOBS}))


@pytest.mark.parametrize(
    ("scope", "ids", "is_known"),
    [
        (OWNER, [ALICES, BOBS, BOBS], True),
        (OWNER, [], True),
        (OWNER, [EVES], False),
        (OWNER, [ALICES, UNKNOWN], False),
        (MEMBER, [ALICES], True),
        (MEMBER, [ALICES, BOBS], False),
        (SHARING, [ALICES, BOBS], True),
        (Scope(ALICE, identity(98), Role.OWNER), [ALICES], False),
    ],
    ids=str,
)
async def test_accounts_that_one_may_name(
    scope: Scope, ids: list[UUID], warehouse: Warehouse, home: Path, *, is_known: bool
) -> None:
    publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        if is_known:
            await snapshot.require_accounts(ids, scope)
        else:
            with pytest.raises(NotFound) as refusal:
                await snapshot.require_accounts(ids, scope)
            assert refusal.value.detail == "Not every account_id exists."


async def test_tags_are_those_of_the_organization(warehouse: Warehouse, home: Path) -> None:
    publish_hand_made(folder(home))
    async with warehouse.snapshot() as snapshot:
        await snapshot.require_tags([FOOD], MEMBER)
        for unknown in (FOREIGN, UNKNOWN):
            with pytest.raises(NotFound, match=r"^Not every tag_id exists\.$"):
                await snapshot.require_tags([unknown], MEMBER)
