"""What each role sees of the marts, and that no parameter finds a way around it."""

from __future__ import annotations

import pytest

from backend.scope import Role
from tests.security.access import sees
from tests.security.conftest import Callers
from tests.world import Place, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

DATASETS = (
    "dim_accounts",
    "dim_budgets",
    "dim_categories",
    "dim_date",
    "dim_tags",
    "fct_budget_daily",
    "fct_cost_events",
    "fct_daily_balance_history",
    "fct_daily_spending_by_tag",
    "fct_monthly_trends",
    "fct_transactions",
)


async def test_the_list_of_datasets_is_complete(callers: Callers, world: World) -> None:
    client = await callers.member(world.ours, Role.OWNER)
    found = (await client.get("/api/analytics/datasets")).json()["items"]
    assert sorted(item["id"] for item in found) == sorted(DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
async def test_each_role_sees_its_own_rows_only(
    dataset: str, callers: Callers, world: World
) -> None:
    """The client itself fails when an answer names what the role may not see."""
    for role in Role:
        client = await callers.member(world.ours, role)
        answer = await client.get(f"/api/analytics/datasets/{dataset}/query?limit=10000")
        assert answer.status_code == 200, answer.text
        rows = answer.json()["rows"]
        organization = str(world.ours.organization_id)
        assert {row.get("organization_id", organization) for row in rows} <= {organization}
        for column in ("account_id", "budget_id"):
            kind = column.removesuffix("_id")
            if rows and column in rows[0] and dataset != "fct_cost_events":
                found = {row[column] for row in rows}
                for place in Place:
                    there = str(world.ours.find(kind, place)) in found
                    assert there is sees(role, place), (role, column, place)


@pytest.mark.parametrize("dataset", DATASETS)
async def test_what_may_be_asked_and_how_tells_nothing_of_what_is_hidden(
    dataset: str, callers: Callers, world: World
) -> None:
    """The client itself fails when an answer names what the role may not see."""
    for role in Role:
        client = await callers.member(world.ours, role)
        schema = (await client.get(f"/api/analytics/datasets/{dataset}/schema")).json()
        answer = await client.get(f"/api/analytics/datasets/{dataset}/query?limit=10000")
        assert min(schema["row_count"], 10_000) == len(answer.json()["rows"])
        path = f"/api/analytics/datasets/{dataset}/explain"
        for query in ({}, schema["example"]):
            explained = await client.post(path, json=query)
            assert explained.status_code == 200, explained.text
            assert explained.json()["estimate"]["visible_rows"] == schema["row_count"]


@pytest.mark.parametrize("role", Role)
async def test_a_key_that_leads_to_what_is_hidden_finds_nothing(
    role: Role, callers: Callers, world: World
) -> None:
    """A row that may be seen names a budget that may not."""
    client = await callers.member(world.ours, role)
    answer = await client.get("/api/analytics/datasets/fct_transactions/query?limit=10000")
    shared = str(world.ours.find("account", Place.SHARED))
    rows = [row for row in answer.json()["rows"] if row["account_id"] == shared]
    hidden = str(world.ours.find("budget", Place.HIDDEN))
    named = {row["budget_id"] for row in rows}
    assert (hidden in named) is sees(role, Place.HIDDEN)
    assert (None in named) or sees(role, Place.HIDDEN)


@pytest.mark.parametrize("role", Role)
async def test_a_list_of_ids_with_a_foreign_one_is_not_found(
    role: Role, callers: Callers, world: World
) -> None:
    client = await callers.member(world.ours, role)
    for parameter, kind in (("account_ids", "account"), ("tag_ids", "tag")):
        both = f"{world.ours.find(kind, Place.SHARED)},{world.theirs.find(kind, Place.SHARED)}"
        for path in ("datasets/fct_transactions/query", "spending-by-tag"):
            answer = await client.get(f"/api/analytics/{path}", params={parameter: both})
            assert answer.status_code == 404, (path, parameter, answer.text)


HOSTILE = [
    ("limit", "1; DROP TABLE marts.fct_transactions"),
    ("limit", "99999999999999999999999999"),
    ("limit", "-1"),
    ("offset", "1e400"),
    ("start_date", "2025-01-01' OR '1'='1"),
    ("start_date", "2025-02-30"),
    ("account_ids", "'; --"),
    ("account_ids", "/* */"),
    ("tag_ids", "\u202e\u0000"),
    ("booking_date) FROM x --", "1"),
    ("no_such_column", "1"),
]


@pytest.mark.parametrize(("name", "value"), HOSTILE)
async def test_a_hostile_parameter_gets_a_problem_without_sql(
    name: str, value: str, callers: Callers, world: World
) -> None:
    client = await callers.member(world.ours, Role.OWNER)
    for path in ("datasets/fct_transactions/query", "trends", "spending-by-tag"):
        answer = await client.get(f"/api/analytics/{path}", params={name: value})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        for word in ("SELECT", "duckdb", "Binder", "Parser", "Traceback"):
            assert word not in answer.text


async def test_reversed_dates_are_refused(callers: Callers, world: World) -> None:
    client = await callers.member(world.ours, Role.OWNER)
    answer = await client.get(
        "/api/analytics/datasets/fct_transactions/query",
        params={"start_date": "2025-12-31", "end_date": "2025-01-01"},
    )
    assert answer.status_code == 422
