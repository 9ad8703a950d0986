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
from backend.periods import Calendar
from backend.scope import Role, Scope
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
    ACCOUNTS,
    ANN,
    FOREIGN_TEXT,
    HERE,
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
            compile_query(dataset, resolved, scope)
        except InvalidInput:
            asked["refused"] += 1
            return
        asked["answered"] += 1
        answered = agreed(connection, resolved, scope)
        if scope.organization_id != THERE:
            assert not any(FOREIGN_TEXT in row for row in answered)
        if len(answered) > 1:
            place = data.draw(st.integers(0, len(answered) - 2))
            assert next_page(connection, resolved, scope, place) == answered[place + 1 :]

    ask()
    assert asked["answered"] >= ANSWERED * sum(asked.values()), asked


def agreed(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedSpec, scope: Scope
) -> list[tuple[Any, ...]]:
    compiled = compile_query(DATASETS[resolved.spec.dataset], resolved, scope, Paging())
    expected = ORACLE.answer(resolved, scope)
    answered = fetch(connection, compiled)
    assert [column.name for column in compiled.columns] == expected.columns
    assert answered == expected.rows
    return answered


FACTS = ["fct_transactions", *(name for name in DATASETS if name.startswith("fct_"))]


def next_page(
    connection: duckdb.DuckDBPyConnection, resolved: ResolvedSpec, scope: Scope, place: int
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


def between(first: str, last: str, field: str = "booking_date") -> list[dict[str, Any]]:
    return [{"field": field, "op": "between", "value": [first, last]}]


BY_DAY = [{"column": "booking_date"}]
NAMES = [{"column": "account.name"}, {"column": "budget.name"}]
CORNERS: dict[str, dict[str, Any]] = {
    "from the leap day on": {
        "dimensions": BY_DAY,
        "measures": ["events", "total"],
        "filters": between("2024-02-29", "2024-03-31"),
        "compare": "previous_year",
    },
    "to the leap day": {
        "dimensions": BY_DAY,
        "measures": ["events", "total"],
        "filters": between("2025-01-01", "2025-02-28"),
        "compare": "previous_year",
        "fill": "zero",
    },
    "a short month after a long one": {
        "dimensions": BY_DAY,
        "measures": ["events", "total"],
        "filters": between("2025-02-01", "2025-02-28"),
        "compare": "previous_period",
    },
    "several last days that meet in one": {
        "dataset": "fct_daily_balance_history",
        "dimensions": [{"column": "balance_date"}],
        "measures": ["balance"],
        "filters": between("2025-02-01", "2025-02-28", "balance_date"),
        "compare": "previous_period",
        "totals": {"subtotals": "all"},
    },
    "weeks of two years": {
        "dimensions": [{"column": "booking_date", "grain": "week"}],
        "measures": ["events"],
        "filters": between("2024-12-30", "2025-03-09"),
        "compare": "previous_year",
        "fill": "null",
    },
    "names of many rows": {
        "dimensions": NAMES,
        "measures": ["events", "named", "total", "average", "smallest", "latest"],
        "totals": {"subtotals": "all", "shares": ["total", "events"]},
    },
    "names of two periods": {
        "dimensions": NAMES,
        "measures": ["events", "named", "total", "average", "smallest"],
        "filters": between("2025-01-01", "2025-02-28"),
        "compare": "previous_year",
    },
    "a condition on a name and on a moved day": {
        "dimensions": NAMES[:1],
        "measures": ["events"],
        "filters": [
            *between("2025-01-01", "2025-02-28"),
            {
                "or": [
                    {"field": "account.name", "op": "eq", "value": "Giro"},
                    {"field": "booking_date", "op": "gte", "value": "2025-01-20"},
                ]
            },
        ],
        "compare": "previous_period",
    },
}


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
def test_corners(corner: str, role: Role, connection: duckdb.DuckDBPyConnection) -> None:
    scope = Scope(ANN, HERE, role, shared_account_ids=frozenset(list(ACCOUNTS)[:4]))
    spec = QuerySpec.model_validate({"dataset": "fct_transactions", **CORNERS[corner]})
    resolved = resolve(DATASETS[spec.dataset], spec, NOWS[0], Calendar())
    assert len(agreed(connection, resolved, scope)) > 1
