"""Whatever the rows and whoever asks: exactly the rows that the rules allow, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.periods import Calendar
from backend.scope import Role, Scope
from backend.warehouse.compiler import compile_query
from backend.warehouse.datasets import load_datasets
from backend.warehouse.formats import json_array, json_statement
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import QuerySpec
from tests.warehouse.hand_made import NOON, TABLES, identity, make_manifest

DATASETS = load_datasets(make_manifest(), TABLES)
FEW = st.integers(min_value=1, max_value=4).map(identity)  # ids collide on purpose
WHOLE = {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST}

scopes = st.builds(
    Scope,
    user_id=FEW,
    organization_id=FEW,
    role=st.sampled_from(Role),
    shared_account_ids=st.frozensets(FEW),
    shared_budget_ids=st.frozensets(FEW),
)
# organization, account (or budget), owner
keys = st.lists(st.tuples(FEW, FEW, st.none() | FEW), max_size=25)
Keys = list[tuple[UUID, UUID, UUID | None]]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts; SET TimeZone = 'UTC'")
        for table, columns in TABLES.items():
            declared = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
            connection.execute(f"CREATE TABLE marts.{table} ({declared})")
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    connection.execute(f"DELETE FROM marts.{table}")
    if rows:
        marks = ", ".join("?" for _ in TABLES[table])
        connection.executemany(f"INSERT INTO marts.{table} VALUES ({marks})", rows)


def ask(connection: duckdb.DuckDBPyConnection, scope: Scope, **spec: Any) -> list[dict[str, Any]]:
    query = QuerySpec.model_validate(spec)
    dataset = DATASETS[query.dataset]
    resolved = resolve(dataset, query, NOON, Calendar())
    compiled = compile_query(dataset, resolved, scope)
    rows = connection.execute(json_statement(compiled), dict(compiled.parameters)).fetchall()
    answer: list[dict[str, Any]] = json.loads(json_array(rows))
    return answer


def may_see(scope: Scope, organization: UUID, owner: UUID | None, *, shared: bool) -> bool:
    """The rule, said another way than the compiler says it."""
    if organization != scope.organization_id:
        return False
    return scope.role in WHOLE or owner == scope.user_id or shared


fixture_stays = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@fixture_stays
@given(drawn=keys, scope=scopes)
def test_rows_of_accounts(drawn: Keys, scope: Scope, connection: duckdb.DuckDBPyConnection) -> None:
    """The owner of a row is that of its account, as in the marts."""
    owners: dict[tuple[UUID, UUID], UUID] = {}
    rows = [
        (org, account, owners.setdefault((org, account), owner or identity(5)))
        for org, account, owner in drawn
    ]
    accounts = [(org, account, owner, "Account") for (org, account), owner in owners.items()]
    fill(connection, "dim_accounts", accounts)
    fill(
        connection,
        "fct_transactions",
        [
            (
                org,
                identity(n),
                account,
                owner,
                date(2025, 1, 1),
                "V",
                Decimal(2**n),
                "EUR",
                [],
                None,
                NOON,
            )
            for n, (org, account, owner) in enumerate(rows)
        ],
    )
    expected = {
        str(identity(n))
        for n, (org, account, owner) in enumerate(rows)
        if may_see(scope, org, owner, shared=account in scope.shared_account_ids)
    }
    answered = ask(connection, scope, dataset="fct_transactions")
    seen = [row["transaction_id"] for row in answered]
    assert sorted(seen) == sorted(expected)
    total = ask(connection, scope, dataset="fct_transactions", measures=["total", "events"])
    amounts = sum(Decimal(2 ** UUID(identity_).int) for identity_ in expected)
    figures = [(Decimal(row["total"]), row["events"]) for row in total]
    assert figures == ([(amounts, len(expected))] if expected else [])


@fixture_stays
@given(rows=keys, scope=scopes)
def test_rows_of_budgets_and_what_is_restricted(
    rows: Keys, scope: Scope, connection: duckdb.DuckDBPyConnection
) -> None:
    fill(
        connection,
        "dim_budgets",
        [
            (org, budget, owner, str(n), identity(9), "Secret / Path", Decimal(1), "EUR")
            for n, (org, budget, owner) in enumerate(rows)
        ],
    )
    expected = {
        str(n)
        for n, (org, budget, owner) in enumerate(rows)
        if may_see(scope, org, owner, shared=budget in scope.shared_budget_ids)
    }
    answered = ask(connection, scope, dataset="dim_budgets")
    assert sorted(row["name"] for row in answered) == sorted(expected)
    paths = {row["path"] for row in answered}
    assert paths <= ({"Secret / Path"} if scope.role in WHOLE else {None})


@fixture_stays
@given(accounts=keys, scope=scopes)
def test_names_reached_by_a_join(
    accounts: Keys, scope: Scope, connection: duckdb.DuckDBPyConnection
) -> None:
    """Every row is the caller's own; the accounts that they name may be anybody's."""
    unique = list({(org, account): owner for org, account, owner in accounts}.items())
    fill(
        connection,
        "dim_accounts",
        [(org, account, owner, f"{org}/{account}") for (org, account), owner in unique],
    )
    fill(
        connection,
        "fct_transactions",
        [
            (scope.organization_id, identity(n), identity(n), scope.user_id, date(2025, 1, 1), "V",
             Decimal(1), "EUR", [], None, NOON)
            for n in range(1, 5)
        ],
    )  # fmt: skip
    names = {
        row["account.name"]
        for row in ask(
            connection, scope, dataset="fct_transactions", fields=["transaction_id", "account.name"]
        )
    }
    allowed = {
        f"{org}/{account}"
        for (org, account), owner in unique
        if may_see(scope, org, owner, shared=account in scope.shared_account_ids)
    }
    assert names - {None} == allowed


@fixture_stays
@given(budgets=keys, scope=scopes)
def test_a_key_names_only_what_may_be_seen(
    budgets: Keys, scope: Scope, connection: duckdb.DuckDBPyConnection
) -> None:
    """Every row is the caller's own; the budgets that they count in may be anybody's."""
    unique = list({(org, budget): owner for org, budget, owner in budgets}.items())
    fill(
        connection,
        "dim_budgets",
        [
            (org, budget, owner, "B", None, None, Decimal(1), "EUR")
            for (org, budget), owner in unique
        ],
    )
    fill(
        connection,
        "fct_transactions",
        [
            (scope.organization_id, identity(n), identity(9), scope.user_id, date(2025, 1, 1), "V",
             Decimal(1), "EUR", [], identity(n), NOON)
            for n in range(1, 5)
        ],
    )  # fmt: skip
    allowed = {
        str(budget)
        for (org, budget), owner in unique
        if may_see(scope, org, owner, shared=budget in scope.shared_budget_ids)
    }
    if scope.role in WHOLE:
        allowed = {str(identity(n)) for n in range(1, 5)}

    rows = ask(connection, scope, dataset="fct_transactions")
    assert len(rows) == 4
    assert {row["budget_id"] for row in rows} - {None} == allowed
    groups = ask(
        connection,
        scope,
        dataset="fct_transactions",
        dimensions=[{"column": "budget_id"}],
        measures=["events"],
    )
    assert {row["budget_id"] for row in groups} - {None} == allowed
    assert sum(row["events"] for row in groups) == 4
    one = str(identity(1))
    found = ask(
        connection,
        scope,
        dataset="fct_transactions",
        filters=[{"field": "budget_id", "op": "eq", "value": one}],
    )
    assert [row["budget_id"] for row in found] == ([one] if one in allowed else [])
