"""One statement and the thread it runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from typing import Final, TypeVar

import duckdb

from backend.warehouse.open_generation import OpenGeneration

T = TypeVar("T")
_INTERRUPT_EVERY_SECONDS: Final = 0.05


class Statement:
    """A cursor whose steps run in a thread, one after the other.

    The generation stays held, and `ended` is not called, until the thread has really stopped.
    """

    def __init__(
        self, generation: OpenGeneration, threads: Executor, ended: Callable[[], None]
    ) -> None:
        self.resources = ExitStack()  # what the cursor needs; closed with it
        self.cursor = self.resources.enter_context(generation.connection.cursor())
        self._generation = generation
        self._threads = threads
        self._ended = ended
        self._running: Future[object] | None = None
        self.has_rows_left = False  # of a stream
        self._loop = asyncio.get_running_loop()
        generation.hold()

    def begin(self, step: Callable[[], T]) -> Future[T]:
        running = self._threads.submit(step)
        self._running = running  # type: ignore[assignment]  # only whether it has ended matters
        return running

    def close(self) -> None:
        """Interrupt what runs, again and again: an interrupt that comes too early is forgotten.

        A stream that has not come to its end is closed in its thread: DuckDB waits there for its
        own threads, which may be far from the next row, and the loop would wait with it.
        """
        if self._running is not None and not self._running.done():
            self._interrupt_until_done(self.close)
        elif self.has_rows_left:
            self.has_rows_left = False
            self._running = self._threads.submit(self.resources.close)
            self._interrupt_until_done(self.close)
        else:
            self.resources.close()
            self._generation.release()
            self._ended()

    def _interrupt_until_done(self, then: Callable[[], None]) -> None:
        with suppress(duckdb.ConnectionException):  # closed in this very moment
            self.cursor.interrupt()
        self._loop.call_later(_INTERRUPT_EVERY_SECONDS, then)
