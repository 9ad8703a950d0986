"""Statements run in threads of their own, a few at once, each for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import duckdb
import structlog

from backend.errors import InvalidInput, OutlayError, QueryTimeout, Unavailable
from backend.settings import Settings
from backend.warehouse.open_generation import OpenGeneration

_INTERRUPT_EVERY_SECONDS = 0.05

log = structlog.get_logger(__name__)
Rows = list[tuple[Any, ...]]


class Execution:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.query_concurrency)
        self._threads = ThreadPoolExecutor(settings.query_concurrency, thread_name_prefix="query")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(
        self, generation: OpenGeneration, sql: str, parameters: Mapping[str, object]
    ) -> Rows:
        """All rows. Interrupted when the time is up, or when the waiting task is cancelled.

        The generation stays held, and the slot taken, until the thread has really ended.
        """
        seconds = self._settings.query_timeout_seconds
        await self._take_slot()
        loop = asyncio.get_running_loop()
        cursor = generation.connection.cursor()
        generation.hold()

        def finish() -> None:
            cursor.close()
            generation.release()
            self._slots.release()

        def finished(_: Future[Rows]) -> None:
            with suppress(RuntimeError):  # the loop is closed: so is the process
                loop.call_soon_threadsafe(finish)

        running = self._threads.submit(_fetch, cursor, sql, parameters)
        running.add_done_callback(finished)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            raise QueryTimeout(
                f"The query took longer than {seconds:g} seconds and was stopped. "
                "Ask for a shorter period, fewer columns or a smaller page."
            ) from None
        except duckdb.Error as error:
            raise self._explained(error, generation) from None
        finally:
            _interrupt(loop, cursor, running)

    async def _take_slot(self) -> None:
        seconds = self._settings.query_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable(
                f"All {self._settings.query_concurrency} places for queries have been taken for "
                f"{seconds:g} seconds.",
                retry_after_seconds=max(1, round(seconds)),
            ) from None

    def _explained(self, error: duckdb.Error, generation: OpenGeneration) -> OutlayError:
        """What a caller may know; the engine's own words go to the log, since they quote SQL."""
        identity = generation.description.id
        log.error("query failed", generation=identity, error=repr(error))
        if isinstance(error, duckdb.OutOfMemoryException):
            return InvalidInput(
                "The query needs more memory than the limit of "
                f"{self._settings.duckdb_memory_limit}. Ask for a shorter period or fewer columns."
            )
        if isinstance(error, duckdb.FatalException | duckdb.InternalException | duckdb.IOException):
            generation.retire()
            return Unavailable(
                f"Generation {identity} cannot be read any more. Refresh with "
                "POST /api/analytics/refresh or `outlay refresh`.",
                retry_after_seconds=5,
            )
        return OutlayError("The query could not be answered. The operator's log says why.")


def _fetch(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object]) -> Rows:
    return cursor.execute(sql, dict(parameters)).fetchall()


def _interrupt(
    loop: asyncio.AbstractEventLoop, cursor: duckdb.DuckDBPyConnection, running: Future[Rows]
) -> None:
    """Until it has ended: an interrupt that comes before the statement has begun is forgotten."""
    if not running.done():
        cursor.interrupt()
        loop.call_later(_INTERRUPT_EVERY_SECONDS, _interrupt, loop, cursor, running)
