"""Seconds of an answer inside the server, from the question to the bytes, against bare SQL."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from backend.periods import Calendar
from backend.scope import Scope
from backend.warehouse.compiled import Compiled
from backend.warehouse.compiler import compile_query
from backend.warehouse.formats import Page
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from bench.common import alternating, paired, report
from bench.queries.people import Callers
from bench.queries.questions import (
    BY_MONTH_AND_CATEGORY,
    OF_A_SHARING_MEMBER,
    OF_AN_ANALYST,
    OF_ONE_PERSON,
    ROWS,
    Grouped,
)
from bench.queries.world import World

NAME = "query"
TIMES = 60


class Server:
    """The reader of a world as the API has it, asked from outside its event loop."""

    def __init__(self, world: World) -> None:
        self._runner = asyncio.Runner()
        self._warehouse = Warehouse(world.settings)

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
def server(world: World) -> Iterator[Server]:
    serving = Server(world)
    try:
        yield serving
    finally:
        serving.close()


@contextmanager
def beside(world: World) -> Iterator[Path]:
    """Another name of the world's file: a process opens one name with one configuration only."""
    with tempfile.TemporaryDirectory(dir=world.settings.home) as folder:
        name = Path(folder) / "world.duckdb"
        name.hardlink_to(world.database)
        yield name


def rows(world: World, callers: Callers) -> None:
    threads = {"threads": world.settings.duckdb_threads}
    with server(world) as ours, beside(world) as database:
        for who, caller in (("a member", callers.member), ("an analyst", callers.analyst)):
            query = ours.compiled(ROWS, caller.scope)
            with duckdb.connect(database, read_only=True, config=threads) as connection:
                mine, bare = paired(
                    lambda scope=caller.scope: ours.answer(ROWS, scope),
                    lambda q=query, c=connection: c.execute(q.sql, dict(q.parameters)).fetchall(),
                    times=TIMES,
                )
            report(
                NAME,
                f"a: 1,000 rows as JSON for {who}, server time; floor: bare fetch of the same SQL",
                ours=mine * 1000,
                floor=bare * 1000,
                unit="ms",
                rows=world.rows,
                aim=1.5,
            )


def grouped(world: World, callers: Callers) -> None:
    for question, caller in (
        (OF_ONE_PERSON, callers.member),
        (OF_A_SHARING_MEMBER, callers.sharing),
        (OF_AN_ANALYST, callers.analyst),
    ):
        with server(world) as ours, _best_layout(world, question, caller.scope) as best:
            expected, count = len(best()), ours.answer(question.spec, caller.scope).count
            assert count == expected, (question.case, count, expected)
            mine, bare = paired(
                lambda s=ours, q=question, c=caller: s.answer(q.spec, c.scope), best, times=TIMES
            )
        report(
            NAME,
            f"c: {question.case}, server time; floor: bare SQL over a table of its rows alone",
            ours=mine * 1000,
            floor=bare * 1000,
            unit="ms",
            rows=world.rows,
            aim=1.5,
        )


def growth(worlds: Sequence[World], callers: Callers) -> None:
    """One person's answers, whose rows are the same in every world, asked of all in turn."""
    servers = [Server(world) for world in worlds]
    try:
        for spec, what in ((ROWS, "1,000 rows"), (BY_MONTH_AND_CATEGORY, "month x category")):
            answers: list[Callable[[], object]] = [
                lambda s=serving, q=spec: s.answer(q, callers.member.scope) for serving in servers
            ]
            smallest, *larger = alternating(answers, times=TIMES)
            for world, seconds in zip(worlds[1:], larger, strict=True):
                report(
                    NAME,
                    f"g: {what} of one person; floor: of {worlds[0].rows:,} rows in all",
                    ours=seconds * 1000,
                    floor=smallest * 1000,
                    unit="ms",
                    rows=world.rows,
                    aim=1.3,
                )
    finally:
        for serving in servers:
            serving.close()


@contextmanager
def _best_layout(
    world: World, question: Grouped, scope: Scope
) -> Iterator[Callable[[], list[tuple[object, ...]]]]:
    """What answers the question by hand."""
    threads = {"threads": world.settings.duckdb_threads}
    with beside(world) as database, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.duckdb"
        with duckdb.connect(path, config=threads) as connection:
            connection.execute(f"ATTACH '{database}' AS world (READ_ONLY)")
            sql = question.best(connection, scope)
            connection.execute("DETACH world")
        with duckdb.connect(path, read_only=True, config=threads) as connection:
            yield lambda: connection.execute(sql).fetchall()
