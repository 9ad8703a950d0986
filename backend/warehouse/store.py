"""Answers from the current generation, one generation from the start of a request to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog

from backend.errors import NotFound, Unavailable
from backend.periods import Calendar
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_counts, compile_query
from backend.warehouse.datasets import Dataset
from backend.warehouse.execution import Execution, Rows
from backend.warehouse.formats import Page, json_array, json_statement
from backend.warehouse.generation import CURRENT
from backend.warehouse.generation import resolve as resolve_folder
from backend.warehouse.open_generation import UNREADABLE, OpenGeneration, open_generation
from backend.warehouse.registry import find_dataset
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import Dimension, Filter, Operator, QuerySpec
from backend.warehouse.spill import sweep_spill_folders

_ATTEMPTS = 3
_NOT_YET = (
    "There is no generation to answer from yet. Make one with POST /api/analytics/refresh "
    "or `outlay refresh`."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation, for as long as it is needed; every answer from it agrees with every other."""

    _opened: OpenGeneration
    _execution: Execution
    now: datetime
    age_seconds: int
    is_stale: bool

    @property
    def generation(self) -> str:
        return self._opened.description.id

    @property
    def as_of(self) -> datetime:
        """When the source was read; what was written later is not in any answer."""
        return self._opened.description.source.taken_at.astimezone(UTC)

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self._opened.datasets

    def dataset(self, identity: str) -> Dataset:
        return find_dataset(self.datasets, identity)

    async def rows(self, spec: QuerySpec, scope: Scope) -> Page:
        dataset = self.dataset(spec.dataset)
        calendar = Calendar(scope.time_zone, scope.fiscal_year_start_month)
        resolved = resolve(dataset, spec, self.now, calendar)
        # One row more than asked for tells whether there is a next page.
        paging = Paging(spec.limit + 1, spec.offset)
        compiled = compile_query(dataset, resolved, scope, paging)
        rows = await self._fetch(compiled, json_statement(compiled))
        has_more = len(rows) > spec.limit
        del rows[spec.limit :]
        return Page(
            columns=compiled.columns,
            rows=json_array(rows),
            count=len(rows),
            next_offset=spec.offset + spec.limit if has_more else None,
        )

    async def counts(self, scope: Scope, datasets: Collection[Dataset]) -> dict[str, int]:
        """How many rows of each dataset the scope may see, by dataset id."""
        compiled = compile_counts(list(datasets), scope)
        [row] = await self._fetch(compiled, compiled.sql)
        return {column.name: count for column, count in zip(compiled.columns, row, strict=True)}

    async def require_accounts(self, ids: Collection[UUID], scope: Scope) -> None:
        """Raise NotFound unless the scope may see every one of these accounts."""
        await self._require("dim_accounts", "account_id", ids, scope)

    async def require_tags(self, ids: Collection[UUID], scope: Scope) -> None:
        await self._require("dim_tags", "tag_id", ids, scope)

    async def _require(
        self, dataset: str, column: str, ids: Collection[UUID], scope: Scope
    ) -> None:
        wanted = set(ids)
        if not wanted:
            return
        spec = QuerySpec(
            dataset=dataset,
            dimensions=(Dimension(column=column),),
            filters=(Filter(field=column, op=Operator.IN, value=list(wanted)),),
            limit=len(wanted),
        )
        if (await self.rows(spec, scope)).count != len(wanted):
            raise NotFound(f"Not every {column} exists.")

    async def _fetch(self, compiled: Compiled, sql: str) -> Rows:
        return await self._execution.fetch(self._opened, sql, compiled.parameters)


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
        self._opening: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Queries that still run keep their generation open until they end."""
        self._execution.close()
        if self._current is not None:
            self._current.retire()
            self._current = None

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """The current generation, held until the block ends; Unavailable when there is none."""
        opened = await self._resolve()
        opened.hold()
        try:
            now = self._now()
            age = round((now - opened.description.source.taken_at).total_seconds())
            is_stale = age > self._settings.stale_after_seconds
            yield Snapshot(opened, self._execution, now, age, is_stale)
        finally:
            opened.release()

    async def _resolve(self) -> OpenGeneration:
        damaged: Path | None = None
        for _ in range(_ATTEMPTS):  # a generation may be pruned between naming and opening it
            folder = resolve_folder(self._settings.warehouse_dir)
            if folder is None:
                continue
            if folder == damaged:
                break
            current = self._current
            if current and current.description.id == folder.name and not current.is_retired:
                return current
            try:
                await self._open(folder)
            except UNREADABLE as error:
                identity, reason = folder.name, repr(error)
                log.error("generation unreadable", generation=identity, error=reason)  # noqa: TRY400
                damaged = folder
                continue
            opened = self._current
            if opened and opened.description.id >= folder.name:  # ids sort by publication
                return opened
        if not (self._settings.warehouse_dir / CURRENT).exists():
            raise Unavailable(_NOT_YET)
        raise Unavailable(
            "The current generation cannot be read. `outlay doctor` says what is wrong; "
            "POST /api/analytics/refresh makes a new one."
        )

    async def _open(self, folder: Path) -> None:
        """Open once, however many requests wait for it and however many of them give up."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._replace_current(folder))
        await asyncio.shield(self._opening)

    async def _replace_current(self, folder: Path) -> None:
        opened = await asyncio.to_thread(open_generation, folder, self._settings)
        previous, self._current = self._current, opened
        if previous is not None:
            previous.retire()
