"""Seconds of an answer inside the server, from the question to the bytes, against bare SQL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from backend.scope import Scope
from backend.warehouse.formats import Page
from bench.common import alternating, paired, report
from bench.queries.in_process import TIMES, beside, beside_bare_fetch, server
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


def rows(world: World, callers: Callers) -> None:
    for who, caller in (("a member", callers.member), ("an analyst", callers.analyst)):
        mine, bare = beside_bare_fetch(world.settings, world.database, ROWS, caller.scope)
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
        with server(world.settings) as ours, _best_layout(world, question, caller.scope) as best:
            answer = partial(ours.answer, question.spec, caller.scope)
            assert _figures(answer()) == best(), question.case
            mine, bare = paired(answer, best, times=TIMES)
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
    with ExitStack() as stack:
        servers = [stack.enter_context(server(world.settings)) for world in worlds]
        for spec, what in ((ROWS, "1,000 rows"), (BY_MONTH_AND_CATEGORY, "month x category")):
            answers = [partial(each.answer, spec, callers.member.scope) for each in servers]
            assert len({answer().rows for answer in answers}) == 1
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


@contextmanager
def _best_layout(
    world: World, question: Grouped, scope: Scope
) -> Iterator[Callable[[], list[tuple[Any, ...]]]]:
    """What answers the question by hand."""
    with beside(world.database) as database, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(f"ATTACH '{database}' AS world (READ_ONLY)")
            sql = question.best(connection, scope)
            connection.execute("DETACH world")
        threads = world.settings.duckdb_threads
        with duckdb.connect(path, read_only=True, config={"threads": threads}) as connection:
            yield lambda: connection.execute(sql).fetchall()


def _figures(page: Page) -> list[tuple[Any, ...]]:
    """The groups as the SQL by hand has them."""
    return [
        (
            date.fromisoformat(row["cost_date_month"]),
            row["category.name"],
            row["currency"],
            Decimal(row["total_cost"]),
            row["events"],
        )
        for row in json.loads(page.rows)
    ]
