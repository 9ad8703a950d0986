"""Which generation answers: the current one, or one that a request names."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import structlog

from backend.errors import Unavailable
from backend.settings import Settings
from backend.warehouse import cursors
from backend.warehouse.cursors import Cursor
from backend.warehouse.execution import Execution
from backend.warehouse.generation import CURRENT, named_current
from backend.warehouse.generation import resolve as resolve_folder
from backend.warehouse.open_generation import UNREADABLE, OpenGeneration, open_generation
from backend.warehouse.past import folder_as_of, is_retained
from backend.warehouse.result_cache import ResultCache
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spill import sweep_spill_folders

_ATTEMPTS = 3
_NOT_YET = (
    "There is no generation to answer from yet. Make one with POST /api/analytics/refresh "
    "or `outlay refresh`."
)
_MAX_OLDER = 2  # generations before the current one that stay open between requests
# Of the memory that the readers of this process may take, all of them together.
_SHARE_OF_CURRENT, _SHARE_OF_OLDER = Fraction(3, 4), Fraction(1, 4 * _MAX_OLDER)

log = structlog.get_logger(__name__)


class Warehouse:
    """The readers of this process. Belongs to the event loop that uses it."""

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._now = now
        sweep_spill_folders(settings)
        self._execution = Execution(settings)
        self._current: OpenGeneration | None = None
        self._opening: dict[str, asyncio.Task[OpenGeneration]] = {}
        self._older: OrderedDict[str, OpenGeneration] = OrderedDict()
        self.results = ResultCache(settings.result_cache_bytes)

    def close(self) -> None:
        """Queries that still run keep their generation open until they end."""
        self._execution.close()
        if self._current is not None:
            self._current.retire()
            self._current = None
        for opened in self._older.values():
            opened.retire()
        self._older.clear()

    @asynccontextmanager
    async def snapshot(self, as_of: str | None = None) -> AsyncIterator[Snapshot]:
        """The current generation, held until the block ends; Unavailable when there is none.

        `as_of` names another one by its id, or by an instant: the latest whose source was read by
        then. Gone when that is not kept any more.
        """
        opened = await (self._resolve() if as_of is None else self._resolve_past(as_of))
        opened.hold()
        try:
            now = self._now()
            age = round((now - opened.description.source.taken_at).total_seconds())
            is_stale = age > self._settings.stale_after_seconds
            yield Snapshot(opened, self._execution, self._cursor_key, now, age, is_stale)
        finally:
            opened.release()

    def read_cursor(self, text: str) -> Cursor:
        """InvalidInput for one that this instance has not made."""
        return cursors.decode(text, self._cursor_key)

    @cached_property
    def _cursor_key(self) -> bytes:
        return cursors.signing_key(self._settings)

    async def _resolve(self) -> OpenGeneration:
        damaged: Path | None = None
        self._retire_pruned()
        for _ in range(_ATTEMPTS):  # a generation may be pruned between naming and opening it
            current, named = self._current, named_current(self._settings.warehouse_dir)
            if current and current.description.id == named and not current.is_retired:
                return current
            folder = resolve_folder(self._settings.warehouse_dir)
            if folder is None:
                continue
            if folder == damaged:
                break
            try:
                return await self._open_once(folder, self._open_current)
            except UNREADABLE as error:
                _log_unreadable(folder, error)
                damaged = folder
        if not (self._settings.warehouse_dir / CURRENT).exists():
            raise Unavailable(_NOT_YET)
        raise Unavailable(
            "The current generation cannot be read. `outlay doctor` says what is wrong; "
            "POST /api/analytics/refresh makes a new one."
        )

    async def _resolve_past(self, as_of: str) -> OpenGeneration:
        warehouse = self._settings.warehouse_dir
        current = resolve_folder(warehouse)
        if current is None:
            return await self._resolve()
        folder = await asyncio.to_thread(folder_as_of, warehouse, as_of, current)
        if folder == current:
            return await self._resolve()
        self._retire_pruned()
        known = self._known(folder.name)
        if known is not None:
            return known
        try:
            return await self._open_once(folder, self._open_older)
        except UNREADABLE as error:
            if not is_retained(folder):  # pruned meanwhile
                return await self._resolve_past(as_of)
            _log_unreadable(folder, error)
            raise Unavailable(f"Generation {folder.name} cannot be read.") from None

    def _known(self, identity: str) -> OpenGeneration | None:
        """Also what is still open as the current one, since nobody has asked for a newer yet."""
        current, older = self._current, self._older.get(identity)
        if older is not None:
            self._older.move_to_end(identity)
        elif current is not None and current.description.id == identity:
            older = current
        return None if older is None or older.is_closed or older.is_retired else older

    async def _open_once(
        self, folder: Path, open_: Callable[[Path], Coroutine[None, None, OpenGeneration]]
    ) -> OpenGeneration:
        """However many requests wait for it and however many of them give up."""
        while True:
            task = self._opening.get(folder.name)
            if task is None:
                task = self._opening[folder.name] = asyncio.create_task(open_(folder))
                task.add_done_callback(lambda _: self._opening.pop(folder.name))
            opened = await asyncio.shield(task)
            if not opened.is_closed:  # it may have had to go before anybody took hold of it
                return opened

    async def _open_current(self, folder: Path) -> OpenGeneration:
        opened = await asyncio.to_thread(open_generation, folder, self._settings, _SHARE_OF_CURRENT)
        previous = self._current
        if previous is not None and previous.description.id > opened.description.id:
            self._add_older(opened)  # a newer one was published and opened meanwhile
            return opened
        self._current = opened
        if previous is not None:
            previous.outdate()
            self.results.drop(previous.description.id)
            if not previous.is_closed:
                self._add_older(previous)
        return opened

    async def _open_older(self, folder: Path) -> OpenGeneration:
        opened = await asyncio.to_thread(open_generation, folder, self._settings, _SHARE_OF_OLDER)
        self._add_older(opened)
        return opened

    def _add_older(self, opened: OpenGeneration) -> None:
        """Beyond the most there may be, the least recently used go that nobody holds."""
        self._older[opened.description.id] = opened
        too_many = len(self._older) - _MAX_OLDER
        for identity, older in list(self._older.items())[:-1]:
            if older.is_closed or (too_many > 0 and not older.is_held):
                self._retire_older(identity)
                too_many -= 1

    def _retire_pruned(self) -> None:
        for identity in list(self._older):
            if not is_retained(self._settings.warehouse_dir / identity):
                self._retire_older(identity)

    def _retire_older(self, identity: str) -> None:
        self._older.pop(identity).retire()
        self.results.drop(identity)


def _log_unreadable(folder: Path, error: Exception) -> None:
    log.error("generation unreadable", generation=folder.name, error=repr(error))
