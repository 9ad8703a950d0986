"""Streams of rows: made while they are read, for a limited time, and stopped when nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from backend.errors import InvalidInput, OutlayError, QueryTimeout, TooManyRequests, Unavailable
from backend.settings import Settings
from backend.warehouse import execution
from backend.warehouse.execution import Batches
from backend.warehouse.record_batches import BATCH_ROWS
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.store import Warehouse
from tests.warehouse.hand_made import publish_hand_made
from tests.warehouse.test_store import NEXT_TO_NOTHING, folder, open_files, rows

NUMBERS = "SELECT range AS n FROM range($rows)"
ENDLESS: Mapping[str, object] = {"rows": 10**12}
# The first batches come at once, the next one never.
STUCK = "SELECT range AS n FROM range($rows) WHERE range < 20000 OR hash(range) = 1"
NEVER = "SELECT range AS n FROM range($rows) WHERE hash(range) = 1"
WRONG_LATE = (
    "SELECT CAST(CASE WHEN range < 500000 THEN '1' ELSE 'x' END AS INTEGER) AS n FROM range($rows)"
)

Open = Callable[..., Warehouse]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    publish_hand_made(tmp_path / "home" / "warehouse")
    return tmp_path / "home"


@pytest.fixture
def warehouse(home: Path) -> Any:
    """Makes one with the given settings."""
    made: list[Warehouse] = []

    def make(**settings: Any) -> Warehouse:
        made.append(Warehouse(Settings(home=home, **settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def stream(
    snapshot: Snapshot,
    sql: str = NUMBERS,
    parameters: Mapping[str, object] = ENDLESS,
    caller: str | None = None,
) -> AbstractAsyncContextManager[Batches]:
    return snapshot._execution.stream(snapshot._opened, sql, parameters, caller)


async def count(batches: AsyncIterator[pa.RecordBatch]) -> int:
    return sum([len(batch) async for batch in batches])


async def test_all_rows_come_in_order(warehouse: Open) -> None:
    amount = 10 * BATCH_ROWS + 1
    async with warehouse().snapshot() as snapshot, stream(snapshot, NUMBERS, {"rows": amount}) as s:
        numbers = [n async for batch in s for n in batch.column(0).to_pylist()]
    assert numbers == list(range(amount))


async def test_no_rows_are_no_batches(warehouse: Open) -> None:
    async with warehouse().snapshot() as snapshot, stream(snapshot, NUMBERS, {"rows": 0}) as s:
        assert await count(s) == 0


async def test_one_batch_is_made_ahead_and_no_more(
    warehouse: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    def counted(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        nonlocal made
        made += 1
        return next_batch(reader)

    next_batch = execution.next_batch
    monkeypatch.setattr(execution, "next_batch", counted)
    queries = warehouse(stream_concurrency=1)
    async with queries.snapshot() as snapshot, stream(snapshot) as batches:
        assert len(await anext(batches)) == BATCH_ROWS
        assert len(await anext(batches)) == BATCH_ROWS
        await rows(queries, NEXT_TO_NOTHING)  # time enough for many more
        assert made <= 3


async def test_a_stream_that_is_left_gives_everything_back(warehouse: Open, home: Path) -> None:
    streams = warehouse(stream_concurrency=1)
    async with streams.snapshot() as snapshot:
        old = snapshot.generation
        for _ in range(3):
            async with stream(snapshot) as batches:
                await anext(batches)
    publish_hand_made(folder(home))
    async with streams.snapshot() as snapshot, stream(snapshot, NUMBERS, {"rows": 3}) as batches:
        assert await count(batches) == 3
        assert not open_files(folder(home) / old)


@pytest.mark.parametrize("sql", [NUMBERS, STUCK, NEVER], ids=["quick", "stuck", "never"])
async def test_a_cancelled_reader_stops_the_query(sql: str, warehouse: Open, home: Path) -> None:
    streams = warehouse(stream_concurrency=1, query_timeout_seconds=60)
    started = asyncio.Event()

    async def read() -> None:
        async with streams.snapshot() as snapshot:
            started.set()
            async with stream(snapshot, sql) as batches:
                await count(batches)

    reading = asyncio.create_task(read())
    await started.wait()
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with streams.snapshot() as snapshot, stream(snapshot, NUMBERS, {"rows": 3}) as batches:
        old = snapshot.generation
        assert await count(batches) == 3
    publish_hand_made(folder(home))
    await rows(streams, NEXT_TO_NOTHING)
    assert not open_files(folder(home) / old)


async def test_a_stream_that_is_left_while_it_searches_holds_nobody_up(warehouse: Open) -> None:
    """DuckDB's own threads look for the next row when nobody waits for it, and must be stopped."""
    streams = warehouse(stream_concurrency=1)
    async with streams.snapshot() as snapshot:
        for _ in range(20):
            async with asyncio.timeout(60), stream(snapshot, STUCK) as batches:
                await anext(batches)
        async with asyncio.timeout(60), stream(snapshot, NUMBERS, {"rows": 3}) as batches:
            assert await count(batches) == 3


async def test_the_first_batch_has_the_time_of_a_query(warehouse: Open) -> None:
    streams = warehouse(stream_concurrency=1, query_timeout_seconds=0.3)
    async with streams.snapshot() as snapshot:
        with pytest.raises(QueryTimeout, match=r"0\.3 seconds"):
            async with stream(snapshot, NEVER):
                pytest.fail("nothing comes")
        async with stream(snapshot, NUMBERS, {"rows": 3}) as batches:
            assert await count(batches) == 3


async def test_so_has_every_batch_after_it(warehouse: Open) -> None:
    streams = warehouse(stream_concurrency=1, query_timeout_seconds=0.5)
    async with streams.snapshot() as snapshot:
        async with stream(snapshot, STUCK) as batches:
            await anext(batches)
            with pytest.raises(QueryTimeout, match=r"0\.5 seconds"):
                await count(batches)
        async with stream(snapshot, NUMBERS, {"rows": 3}) as batches:
            assert await count(batches) == 3


async def test_a_stream_ends_some_time(warehouse: Open) -> None:
    streams = warehouse(stream_max_seconds=0.2)
    async with streams.snapshot() as snapshot, stream(snapshot) as batches:
        with pytest.raises(QueryTimeout, match=r"download took longer than 0\.2 seconds"):
            await count(batches)


async def test_what_is_wrong_at_once_is_raised_before_the_block(warehouse: Open) -> None:
    streams = warehouse(duckdb_memory_limit="10MB")
    much = "SELECT count(DISTINCT hash(range)) AS n FROM range($rows)"
    async with streams.snapshot() as snapshot:
        with pytest.raises(InvalidInput, match="10MB"):
            async with stream(snapshot, much, {"rows": 5_000_000}):
                pytest.fail("it does not fit")


async def test_what_is_wrong_later_is_raised_while_reading(warehouse: Open) -> None:
    async with warehouse().snapshot() as snapshot:
        # Another of DuckDB's threads may come to what is wrong before the first batch is out.
        with pytest.raises(OutlayError, match="log says why") as refusal:
            async with stream(snapshot, WRONG_LATE, {"rows": 10**6}) as batches:
                await count(batches)
        assert "range" not in refusal.value.detail  # none of the SQL
        assert not snapshot._opened.is_retired


async def test_a_stream_keeps_its_generation_when_another_is_published(
    warehouse: Open, home: Path
) -> None:
    streams = warehouse()
    amount = 20 * BATCH_ROWS
    async with streams.snapshot() as snapshot:
        old = snapshot.generation
        reading = stream(snapshot, NUMBERS, {"rows": amount})
        batches = await reading.__aenter__()
    first = await anext(batches)
    new = publish_hand_made(folder(home))
    async with streams.snapshot() as snapshot:
        assert snapshot.generation == new.id
    assert len(first) + await count(batches) == amount
    assert open_files(folder(home) / old)
    await reading.__aexit__(None, None, None)
    assert not open_files(folder(home) / old)


async def test_several_streams_at_once(warehouse: Open) -> None:
    amount = 10 * BATCH_ROWS

    async def read(snapshot: Snapshot) -> int:
        async with stream(snapshot, NUMBERS, {"rows": amount}) as batches:
            return await count(batches)

    async with warehouse(stream_concurrency=3).snapshot() as snapshot:
        assert await asyncio.gather(*(read(snapshot) for _ in range(12))) == [amount] * 12


async def test_streams_take_no_place_of_a_query(warehouse: Open) -> None:
    streams = warehouse(query_concurrency=1, stream_concurrency=2)
    async with streams.snapshot() as snapshot, stream(snapshot) as one, stream(snapshot) as two:
        await anext(one)
        await anext(two)
        assert await rows(streams, NEXT_TO_NOTHING) != []


async def test_a_stream_for_which_there_is_no_place_is_refused(warehouse: Open) -> None:
    streams = warehouse(
        stream_concurrency=2, stream_concurrency_per_caller=1, query_timeout_seconds=0.2
    )
    async with streams.snapshot() as snapshot, stream(snapshot, caller="a"):
        with pytest.raises(TooManyRequests, match=r"^You have 1 of these running") as refusal:
            async with stream(snapshot, caller="a"):
                pytest.fail("a has one already")
        assert refusal.value.retry_after_seconds
        async with stream(snapshot, caller="b"):
            with pytest.raises(Unavailable, match=r"^All 2 places") as full:
                async with stream(snapshot, caller="c"):
                    pytest.fail("both are taken")
            assert full.value.retry_after_seconds


async def test_one_caller_leaves_places_for_others(warehouse: Open) -> None:
    queries = warehouse(
        query_concurrency=3, query_concurrency_per_caller=2, query_timeout_seconds=30
    )
    async with queries.snapshot() as snapshot:
        run, opened = snapshot._execution, snapshot._opened
        heavy = [
            asyncio.create_task(run.fetch(opened, NEVER, ENDLESS, caller="greedy"))
            for _ in range(50)
        ]
        await asyncio.sleep(0)
        assert await run.fetch(opened, NUMBERS, {"rows": 2}, caller="modest") == [(0,), (1,)]
        for task in heavy:
            task.cancel()
        await asyncio.gather(*heavy, return_exceptions=True)
        assert await run.fetch(opened, NUMBERS, {"rows": 1}, caller="greedy") == [(0,)]
