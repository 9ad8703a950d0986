"""The reader of an instance as the API has it, in this process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from backend.periods import Calendar
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.compiled import Compiled
from backend.warehouse.compiler import compile_query
from backend.warehouse.formats import Page
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from bench.common import paired

TIMES = 40


class Server:
    """Asked from outside its event loop."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._warehouse = Warehouse(settings)

    def close(self) -> None:
        self._warehouse.close()
        self._runner.close()

    def answer(self, spec: QuerySpec, scope: Scope) -> Page:
        async def ask() -> Page:
            async with self._warehouse.snapshot() as snapshot:
                return await snapshot.rows(spec, scope)

        return self._runner.run(ask())

    def compiled(self, spec: QuerySpec, scope: Scope) -> Compiled:
        async def compiling() -> Compiled:
            async with self._warehouse.snapshot() as snapshot:
                dataset = snapshot.dataset(spec.dataset)
                calendar = Calendar(scope.time_zone, scope.fiscal_year_start_month)
                return compile_query(dataset, resolve(dataset, spec, snapshot.now, calendar), scope)

        return self._runner.run(compiling())


@contextmanager
def server(settings: Settings) -> Iterator[Server]:
    serving = Server(settings)
    try:
        yield serving
    finally:
        serving.close()


@contextmanager
def beside(database: Path) -> Iterator[Path]:
    """Another name of the file: a process opens one name with one configuration only."""
    with tempfile.TemporaryDirectory(dir=database.parent.parent) as folder:
        name = Path(folder) / "beside.duckdb"
        name.hardlink_to(database)
        yield name


def beside_bare_fetch(
    settings: Settings, database: Path, spec: QuerySpec, scope: Scope
) -> tuple[float, float]:
    """Median seconds of an answer as JSON, and of fetching the rows of the same SQL."""
    with server(settings) as ours, beside(database) as name:
        query = ours.compiled(spec, scope)
        threads = settings.duckdb_threads
        with duckdb.connect(name, read_only=True, config={"threads": threads}) as connection:
            return paired(
                lambda: ours.answer(spec, scope),
                lambda: connection.execute(query.sql, dict(query.parameters)).fetchall(),
                times=TIMES,
            )
