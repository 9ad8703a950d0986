"""Statements run in threads of their own, a few at once, each for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from backend.errors import QueryTimeout, TooManyRequests, Unavailable
from backend.settings import Settings
from backend.warehouse.failures import explained
from backend.warehouse.open_generation import OpenGeneration
from backend.warehouse.record_batches import next_batch, open_reader
from backend.warehouse.slots import Slots
from backend.warehouse.statements import Statement

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Batches = AsyncIterator[pa.RecordBatch]


class Execution:
    """`caller` is who asks, whatever names them: nobody takes all places. Of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        queries, streams = settings.query_concurrency, settings.stream_concurrency
        self._query_slots = Slots(queries, settings.query_concurrency_per_caller)
        self._query_threads = ThreadPoolExecutor(queries, "query")
        self._stream_slots = Slots(streams, settings.stream_concurrency_per_caller)
        self._stream_threads = ThreadPoolExecutor(streams, "stream")

    def close(self) -> None:
        for threads in (self._query_threads, self._stream_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(
        self,
        generation: OpenGeneration,
        sql: str,
        parameters: Mapping[str, object],
        caller: Hashable = None,
    ) -> Rows:
        """All rows. Interrupted when the time is up, or when the waiting task is cancelled."""
        await self._take(self._query_slots, caller)
        ended = partial(self._query_slots.give_back, caller)
        statement = Statement(generation, self._query_threads, ended)
        try:
            return await self._in_time(
                statement.begin(lambda: _fetch(statement.cursor, sql, parameters)), generation
            )
        finally:
            statement.close()

    @asynccontextmanager
    async def stream(
        self,
        generation: OpenGeneration,
        sql: str,
        parameters: Mapping[str, object],
        caller: Hashable = None,
    ) -> AsyncIterator[Batches]:
        """All rows, made while they are read: one batch lies ready while another is worked on.

        The first is there before the block begins, so what is wrong with the query is raised on
        entering it. The query is interrupted when the block ends, however it ends, when a batch
        takes longer than a query may, and when all of it takes longer than a stream may.
        """
        await self._take(self._stream_slots, caller)
        ended = partial(self._stream_slots.give_back, caller)
        statement = Statement(generation, self._stream_threads, ended)
        reader: pa.RecordBatchReader | None = None

        def advance() -> pa.RecordBatch | None:
            nonlocal reader
            if reader is None:
                reader = open_reader(statement.cursor, sql, parameters)
                statement.resources.callback(reader.close)
                statement.has_rows_left = True
            batch = next_batch(reader)
            statement.has_rows_left = batch is not None
            return batch

        async def batches(batch: pa.RecordBatch | None) -> Batches:
            while batch is not None:
                upcoming = statement.begin(advance)
                yield batch
                batch = await self._in_time(upcoming, generation, ends_at)

        ends_at = asyncio.get_running_loop().time() + self._settings.stream_max_seconds
        try:
            yield batches(await self._in_time(statement.begin(advance), generation))
        finally:
            statement.close()

    async def _in_time(
        self, running: Future[T], generation: OpenGeneration, ends_at: float = inf
    ) -> T:
        """What the step answers, by `ends_at` (of the loop's clock) at the latest."""
        seconds = self._settings.query_timeout_seconds
        step_ends_at = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(min(step_ends_at, ends_at)):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            if ends_at < step_ends_at:
                raise QueryTimeout(
                    f"The download took longer than {self._settings.stream_max_seconds:g} seconds "
                    "and was stopped. Ask for a shorter period or fewer columns."
                ) from None
            raise QueryTimeout(
                f"The query took longer than {seconds:g} seconds and was stopped. "
                "Ask for a shorter period, fewer columns or a smaller page."
            ) from None
        except (duckdb.Error, OSError) as error:
            raise explained(error, generation, self._settings) from None

    async def _take(self, slots: Slots, caller: Hashable) -> None:
        seconds = self._settings.query_timeout_seconds
        retry = max(1, round(seconds))
        try:
            async with asyncio.timeout(seconds):
                await slots.take(caller)
        except TimeoutError:
            if slots.is_at_limit(caller):
                raise TooManyRequests(
                    f"You have {slots.each} of these running, the most there may be for one "
                    "caller. Wait for one of them to end.",
                    retry_after_seconds=retry,
                ) from None
            raise Unavailable(
                f"All {slots.places} places for this have been taken for {seconds:g} seconds.",
                retry_after_seconds=retry,
            ) from None


def _fetch(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object]) -> Rows:
    return cursor.execute(sql, dict(parameters)).fetchall()
