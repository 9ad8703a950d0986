"""What a query really does: told before it is run, in words, and of the caller's rows alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.execution import Execution
from tests.api.conftest import ActAs
from tests.api.marts import DATASETS, QUERY, People, get, refusal
from tests.factories import add_account, share_account
from tests.security.leaks import scan
from tests.warehouse.hand_made import (
    ACME,
    ALICE,
    ALICES,
    BOB,
    BOBS,
    EVES,
    FOOD,
    FOREIGN,
    TABLES,
    publish_hand_made,
    rows_of,
)

EXPLAIN = f"{DATASETS}/fct_transactions/explain"
LAST_MONTH = {"field": "booking_date", "op": "during", "value": "last_month"}


async def explain(
    client: httpx.AsyncClient, query: dict[str, Any], dataset: str = "fct_transactions"
) -> dict[str, Any]:
    answer = await client.post(f"{DATASETS}/{dataset}/explain", json=query)
    assert answer.status_code == 200, answer.text
    explanation: dict[str, Any] = answer.json()
    return explanation


async def test_it_tells_what_the_query_does(people: People) -> None:
    found = await explain(
        people.bob,
        {
            "dimensions": [
                {"column": "booking_date", "grain": "month"},
                {"column": "account.name"},
            ],
            "measures": ["total"],
            "filters": [LAST_MONTH],
            "compare": "previous_period",
        },
    )
    assert found["sql"].startswith("SELECT ")
    assert {"name": "organization", "type": "uuid", "origin": "scope"} in found["parameters"]
    assert [column["name"] for column in found["columns"]] == [
        *("booking_date_month", "account.name", "currency"),
        *("total", "total_previous", "total_delta", "total_change"),
    ]
    assert found["row_filters"] == [
        {"dataset": "fct_transactions", "rows": "All rows of your organization."},
        {"dataset": "dim_accounts", "rows": "All rows of your organization."},
    ]
    [days] = found["named_days"]
    assert (days["pointer"], days["name"]) == ("#/filters/0", "last_month")
    assert found["period"] == {"first": days["first"], "last": days["last"]}
    assert date.fromisoformat(found["compared"]["last"]) < date.fromisoformat(days["first"])
    assert found["query"]["filters"][0]["value"] == [days["first"], days["last"]]
    assert "cursor" not in found["query"]
    assert found["generation"] == people.generation
    assert found["stale"] is False
    assert 0 <= found["age_seconds"] < 300
    nodes = {node["name"]: node for node in found["lineage"]["nodes"]}
    assert nodes["raw.transactions"]["layer"] == "source"
    edge = {"upstream": "stg_transactions", "downstream": "fct_transactions"}
    assert edge in found["lineage"]["edges"]


async def test_what_it_resolved_is_the_same_query(people: People) -> None:
    query = {"measures": ["events"], "filters": [{"field": "booking_date", "op": "during",
             "value": "last_12_months"}]}  # fmt: skip
    resolved = (await explain(people.bob, query))["query"]
    answers = [(await people.bob.post(QUERY, json=each)).json() for each in (query, resolved)]
    assert answers[0]["rows"] == answers[1]["rows"]


async def test_the_simple_parameters_are_explained_too(people: People) -> None:
    found = await get(
        people.bob,
        EXPLAIN,
        account_ids=str(ALICES),
        start_date="2025-02-01",
        fields="amount",
        sort="-amount",
        limit=3,
        **{"vendor[starts_with]": "Ven"},
    )
    assert [column["name"] for column in found["columns"]] == ["amount"]
    fields = {condition["field"] for condition in found["query"]["filters"]}
    assert fields == {"account_id", "booking_date", "vendor"}
    assert "DESC" in found["sql"]
    assert found["estimate"]["answer_rows_at_most"] == 3


async def test_a_stream_has_no_limit_but_its_own(people: People) -> None:
    for parameters, most in (
        ({}, 1_000),
        ({"format": "csv"}, None),
        ({"format": "csv", "limit": 2}, 2),
    ):
        found = await get(people.bob, EXPLAIN, **parameters)
        assert found["estimate"]["answer_rows_at_most"] == most
        assert ("LIMIT" in found["sql"]) is (most is not None)


async def test_the_row_filter_and_the_figures_are_the_callers(people: People) -> None:
    query = {"filters": [{"field": "booking_date", "op": "gte", "value": "2025-04-01"}]}
    for client, words, visible, of_days in (
        (people.bob, "All rows of your organization.", 10, 4),
        (people.alice, "Rows of your organization that you own.", 5, 2),
        (people.mallory, "All rows of your organization.", 0, 0),
    ):
        found = await explain(client, query)
        assert found["row_filters"] == [{"dataset": "fct_transactions", "rows": words}] or (
            client is people.alice  # her budgets are looked up for budget_id
            and found["row_filters"][0] == {"dataset": "fct_transactions", "rows": words}
        )
        estimate = found["estimate"]
        assert (estimate["visible_rows"], estimate["rows_of_days"]) == (visible, of_days)
        assert estimate["row_groups"] == (1 if of_days else 0)


async def test_shared_accounts_are_counted_and_never_named(
    people: People, settings: Settings, engine: AsyncEngine
) -> None:
    bob, alice = people.scopes["bob"], people.scopes["alice"]
    shared = []
    async with organization_session(engine, bob.organization_id) as session:
        for _ in range(2):
            account = await add_account(session, bob.user_id)
            await share_account(session, account.id, alice.user_id)
            shared.append(account.id)
    ids = {ACME: bob.organization_id, BOB: bob.user_id, ALICE: alice.user_id, BOBS: shared[0]}
    publish_hand_made(settings.warehouse_dir, rows_of(ids))
    answer = await people.alice.post(EXPLAIN, json={"fields": ["amount"]})
    assert answer.json()["row_filters"][0]["rows"] == (
        "Rows of your organization that you own, plus rows of 2 accounts shared with you."
    )
    assert answer.json()["estimate"]["visible_rows"] == 10
    words = {*map(str, shared), str(bob.user_id), str(alice.user_id), str(bob.organization_id)}
    scan(answer, words)


async def test_columns_that_are_empty_for_the_caller_are_named(people: People) -> None:
    for client, empty in ((people.bob, set()), (people.alice, {"parent_id", "path"})):
        found = await explain(client, {}, "dim_budgets")
        assert {column["name"] for column in found["empty_columns"]} == empty


async def test_nothing_is_run(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is asked of DuckDB is how many rows there are."""
    statements: list[str] = []
    fetch = Execution.fetch

    async def listened(self: Execution, generation: Any, sql: str, parameters: Any) -> Any:
        statements.append(sql)
        return await fetch(self, generation, sql, parameters)

    monkeypatch.setattr(Execution, "fetch", listened)
    found = await explain(people.alice, {"measures": ["total"], "filters": [LAST_MONTH]})
    assert statements
    assert all(sql.startswith(("SELECT (SELECT count(*)", "SELECT count(*)")) for sql in statements)
    assert found["sql"] not in statements


REFUSED: dict[str, dict[str, Any]] = {
    "unknown column": {"fields": ["amont"]},
    "unknown measure": {"measures": ["totl"]},
    "unknown operator": {"filters": [{"field": "vendor", "op": "like", "value": "x"}]},
    "operator of another type": {"filters": [{"field": "vendor", "op": "gte", "value": "x"}]},
    "unknown period": {"filters": [LAST_MONTH | {"value": "last_moth"}]},
    "unbounded comparison": {"measures": ["total"], "compare": "previous_year"},
    "too many rows": {"limit": 10_001},
    "hostile column": {"fields": ['amount" FROM x --']},
    "hostile direction": {"order": [{"field": "amount", "descending": "DESC; DROP TABLE x"}]},
    "restricted column": {"dimensions": [{"column": "budget.path"}]},
    "another dataset": {"dataset": "dim_tags"},
    "no cursor of ours": {"cursor": "abc"},
    "no such generation": {"as_of": "20200101T000000Z-00000000"},
    "unknown field": {"dimension": []},
    "not JSON of the kind": {"filters": {"and": 1}},
}


async def test_it_refuses_what_the_query_refuses_with_the_same_problem(people: People) -> None:
    for fault, body in REFUSED.items():
        query, explained = [
            (await people.alice.post(path, json=body)).json() for path in (QUERY, EXPLAIN)
        ]
        assert 400 <= query["status"] < 500, fault
        assert query.pop("instance") != explained.pop("instance")
        assert query == explained, fault


PARAMETERS: dict[str, dict[str, Any]] = {
    "account of others": {"account_ids": str(BOBS)},
    "account of another organization": {"account_ids": str(EVES)},
    "account of nobody": {"account_ids": str(uuid4())},
    "tag of another organization": {"tag_ids": f"{FOOD},{FOREIGN}"},
    "unknown parameter": {"acount_ids": str(ALICES)},
    "unknown column": {"amont[gte]": "1"},
    "reversed dates": {"start_date": "2025-02-01", "end_date": "2025-01-31"},
    "twice": {"start_date": ["2025-01-01", "2024-01-01"]},
    "limit too large": {"limit": "10001"},
    "unknown format": {"format": "xls"},
}


async def test_parameters_are_refused_alike(people: People) -> None:
    for fault, parameters in PARAMETERS.items():
        query, explained = [
            await refusal(people.alice, path, **parameters) for path in (QUERY, EXPLAIN)
        ]
        assert query.pop("instance") != explained.pop("instance")
        assert query == explained, fault


async def test_every_dataset_can_be_explained_to_everybody(people: People) -> None:
    for client in (people.alice, people.bob, people.mallory):
        for dataset in TABLES:
            found = await explain(client, {}, dataset)
            assert found["lineage"]["nodes"][0]["name"] == dataset


async def test_an_unknown_dataset_and_nobody(people: People, stranger: httpx.AsyncClient) -> None:
    problem = await refusal(people.bob, f"{DATASETS}/fct_transaction/explain")
    assert problem["status"] == 404
    assert "Did you mean 'fct_transactions'" in problem["detail"]
    assert (await stranger.get(EXPLAIN)).status_code == 401
    assert (await stranger.post(EXPLAIN, json={})).status_code == 401


async def test_without_a_generation(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    asks: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: client.get(EXPLAIN),
        lambda: client.post(EXPLAIN, json={}),
    ]
    for ask in asks:
        answer = await ask()
        assert answer.status_code == 503
        assert "POST /api/analytics/refresh" in answer.json()["detail"]
