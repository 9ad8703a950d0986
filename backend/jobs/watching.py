"""Following runs as they go on: each is asked about once a second, however many follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from backend.jobs.launcher import Launcher, RunState
from backend.jobs.models import FINISHED

POLL_SECONDS = 1.0


class RunWatch:
    """One run, and how many follow it."""

    def __init__(self, launcher: Launcher, run_id: UUID, poll_seconds: float) -> None:
        self.followers = 0
        self.state: RunState | None = None
        self._changed = asyncio.Event()
        self._polling = asyncio.create_task(self._poll(launcher, run_id, poll_seconds))
        self._polling.add_done_callback(self._ended)

    def stop(self) -> None:
        self._polling.cancel()

    async def another_than(self, seen: RunState | None) -> RunState:
        """How the run stands, as soon as that is not `seen`, which was not its end.

        Who is slow misses what was in between. `Unavailable` when Dagster does not answer.
        """
        while self.state is None or self.state == seen:
            if self._polling.done():
                self._polling.result()
            await self._changed.wait()
        return self.state

    async def _poll(self, launcher: Launcher, run_id: UUID, poll_seconds: float) -> None:
        while True:
            state = await launcher.run_state(run_id)
            if state != self.state:
                self.state = state
                self._wake()
            if state.status in FINISHED:
                return
            await asyncio.sleep(poll_seconds)

    def _ended(self, polling: asyncio.Task[None]) -> None:
        if not polling.cancelled():
            polling.exception()  # told to whoever follows; nobody is left to be told otherwise
        self._wake()

    def _wake(self) -> None:
        """Those who wait now; who comes later waits for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()


class RunWatches:
    """The runs that somebody follows. Belongs to the event loop that uses it."""

    def __init__(self, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._watches: dict[UUID, RunWatch] = {}

    @contextmanager
    def follow(self, launcher: Launcher, run_id: UUID) -> Iterator[RunWatch]:
        """Polling ends when nobody follows any more."""
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = RunWatch(launcher, run_id, self._poll_seconds)
        watch.followers += 1
        try:
            yield watch
        finally:
            watch.followers -= 1
            if not watch.followers:
                watch.stop()
                del self._watches[run_id]
