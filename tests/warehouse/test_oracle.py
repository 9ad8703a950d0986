"""Whatever is asked, by whomever: the compiled SQL and a slow Python reading of the rows agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_query
from backend.warehouse.datasets import load_datasets
from backend.warehouse.resolve import ResolvedSpec, resolve
from backend.warehouse.spec import QuerySpec
from tests.sizes import sized
from tests.warehouse.hand_made import TABLES, write_tables
from tests.warehouse.oracle import Oracle
from tests.warehouse.oracle_specs import NOWS, Specs, calendars, scopes
from tests.warehouse.oracle_world import (
    FOREIGN_TEXT,
    THERE,
    make_world,
    manifest_with_every_aggregate,
)

DATASETS = load_datasets(manifest_with_every_aggregate(), TABLES)
WORLD = make_world()
ORACLE = Oracle(DATASETS, WORLD)
SPECS = {
    (name, whole): Specs(dataset, WORLD, whole=whole)
    for name, dataset in DATASETS.items()
    for whole in (True, False)
}
ANSWERED = 9 / 10  # of the questions made up; the rest is refused

Make = Callable[[Specs, st.DrawFn], dict[str, Any]]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("marts") / "outlay.duckdb"
    write_tables(path, {table: [tuple(r.values()) for r in rows] for table, rows in WORLD.items()})
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        yield connection


def fetch(connection: duckdb.DuckDBPyConnection, query: Compiled) -> list[tuple[Any, ...]]:
    found = connection.execute(query.sql, dict(query.parameters))
    names = [column[0] for column in found.description]
    assert names[: len(query.columns)] == [column.name for column in query.columns]
    return [tuple(_utc(value) for value in row) for row in found.fetchall()]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def check(connection: duckdb.DuckDBPyConnection, examples: int, make: Make) -> None:
    """Both answers, to `examples` queries made up by `make`, are the same."""
    asked = {"answered": 0, "refused": 0}

    @settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        scope = data.draw(scopes)
        dataset = DATASETS[data.draw(st.sampled_from([*FACTS, *FACTS, *DATASETS]))]
        specs = SPECS[dataset.id, scope.sees_whole_organization]
        spec = data.draw(st.composite(lambda draw: make(specs, draw))())
        calendar, now = data.draw(calendars), data.draw(st.sampled_from(NOWS))
        try:
            resolved = resolve(dataset, QuerySpec.model_validate(spec), now, calendar)
            compiled = compile_query(dataset, resolved, scope, Paging())
        except InvalidInput:
            asked["refused"] += 1
            return
        asked["answered"] += 1
        expected = ORACLE.answer(resolved, scope)
        answered = fetch(connection, compiled)
        assert [column.name for column in compiled.columns] == expected.columns
        assert answered == expected.rows
        if scope.organization_id != THERE:
            assert not any(FOREIGN_TEXT in row for row in answered)
        if len(answered) > 1:
            place = data.draw(st.integers(0, len(answered) - 2))
            assert next_page(connection, resolved, scope, place) == answered[place + 1 :]

    ask()
    assert asked["answered"] >= ANSWERED * sum(asked.values()), asked


FACTS = [name for name in DATASETS if name.startswith("fct_")]


def next_page(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedSpec, scope: Any, place: int
) -> list[tuple[Any, ...]]:
    """What follows the row at `place`, found by the keys of that row."""
    dataset = DATASETS[resolved.spec.dataset]
    first = compile_query(dataset, resolved, scope, Paging(limit=1, offset=place, keyed=True))
    found = connection.execute(first.sql, dict(first.parameters))
    names = [column[0] for column in found.description]
    [row] = found.fetchall()
    after = tuple(row[names.index(key.name)] for key in first.keys)
    rest = compile_query(dataset, resolved, scope, Paging(after=after))
    return fetch(connection, rest)


def test_rows(connection: duckdb.DuckDBPyConnection) -> None:
    check(connection, sized(600, long=10_000), Specs.rows)


def test_groups(connection: duckdb.DuckDBPyConnection) -> None:
    check(connection, sized(600, long=10_000), Specs.groups)


def test_groups_over_periods(connection: duckdb.DuckDBPyConnection) -> None:
    """Compared with earlier ones, filled, or both."""
    check(connection, sized(900, long=20_000), Specs.periods)
