"""Answers kept for those who ask the same of the same generation, made once for all who wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

_ENTRY_BYTES = 500  # what an entry takes besides its answer, roughly


@dataclass(slots=True)
class _Flight:
    """An answer that is being made; it ends when nobody waits for it any more."""

    task: asyncio.Task[bytes]
    waiting: int = 0


class ResultCache:
    """At most `max_bytes` of answers, the least recently used go first. Of one event loop.

    A key must tell everything that the answer depends on, the scope above all.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: OrderedDict[str, tuple[str, bytes]] = OrderedDict()  # with its generation
        self._flights: dict[str, _Flight] = {}

    def find(self, key: str) -> bytes | None:
        known = self._answers.get(key)
        if known is None:
            return None
        self._answers.move_to_end(key)
        return known[1]

    async def get(
        self, key: str, generation: str, make: Callable[[], Coroutine[None, None, bytes]]
    ) -> bytes:
        """The answer, by `make` if it is not there; an error goes to all who wait for it.

        Who is cancelled stops `make` only if nobody else waits.
        """
        known = self.find(key)
        if known is not None:
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(make()))
            flight.task.add_done_callback(lambda task: self._landed(key, generation, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(key, None)  # who comes now starts anew
                flight.task.cancel()

    def drop(self, generation: str) -> None:
        """Forget the answers of a generation that is not read any more."""
        for key in [key for key, (named, _) in self._answers.items() if named == generation]:
            self._remove(key)

    def _landed(self, key: str, generation: str, task: asyncio.Task[bytes]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled() and task.exception() is None:
            self._keep(key, generation, task.result())

    def _keep(self, key: str, generation: str, answer: bytes) -> None:
        size = len(answer) + _ENTRY_BYTES
        if size > self._max_bytes or key in self._answers:
            return
        self._answers[key] = (generation, answer)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._answers)))

    def _remove(self, key: str) -> None:
        _, answer = self._answers.pop(key)
        self._bytes -= len(answer) + _ENTRY_BYTES
