"""Places for what runs at once: a few, shared out among those who wait for one."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable


class Slots:
    """So many `places`, at most `each` for one caller; callers who wait take turns.

    None is no caller in particular and has no limit. Belongs to one event loop.
    """

    def __init__(self, places: int, each: int) -> None:
        self.places = places
        self.each = each
        self._free = places
        self._taken: Counter[Hashable] = Counter()
        self._lines: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, caller: Hashable) -> None:
        if self._free and caller not in self._lines and not self.is_at_limit(caller):
            self._grant(caller)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(caller, turn)
            else:  # it came at the same moment
                self.give_back(caller)
            raise

    def give_back(self, caller: Hashable) -> None:
        self._free += 1
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        while self._free and self._serve_next():
            pass

    def is_at_limit(self, caller: Hashable) -> bool:
        return caller is not None and self._taken[caller] >= self.each

    def _grant(self, caller: Hashable) -> None:
        self._free -= 1
        self._taken[caller] += 1

    def _serve_next(self) -> bool:
        """The first who waits, of the callers whose turn is longest ago."""
        caller = next((c for c in self._lines if not self.is_at_limit(c)), None)
        if caller not in self._lines:
            return False
        turn = self._lines[caller][0]
        self._leave(caller, turn)
        if caller in self._lines:
            self._lines.move_to_end(caller)
        if not turn.done():
            self._grant(caller)
            turn.set_result(None)
        return True

    def _leave(self, caller: Hashable, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(caller)
        if line is None or turn not in line:
            return
        line.remove(turn)
        if not line:
            del self._lines[caller]
