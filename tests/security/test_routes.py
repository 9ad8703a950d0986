"""Every route of the service, found by the test itself, against strangers and other tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from backend.identity.tokens import issue_access_token
from backend.scope import Role, Scope
from tests.world import THEIRS, World

# Open to anybody, each for a reason: probes, metrics, the documents, and logging in.
PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/auth/token"),
}
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


def routes() -> list[tuple[str, str]]:
    paths = create_app().openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.fixture
async def app(world: World) -> AsyncIterator[FastAPI]:
    app = create_app(world.settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def client_of(
    stack: AsyncExitStack, app: FastAPI, world: World, scope: Scope | None
) -> httpx.AsyncClient:
    headers = {}
    if scope is not None:
        token = issue_access_token(world.settings, scope.user_id, scope.organization_id)
        headers["Authorization"] = f"Bearer {token}"
    return await stack.enter_async_context(
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://test",
            headers=headers,
        )
    )


def filled(path: str, ids: dict[str, Any]) -> str:
    """`path` with ids; a parameter that the world does not know fails here, so extend the world."""
    return path.format(**ids, dataset_id="fct_transactions")


def bodies(ids: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Good bodies but for the ids in them. A new writing route must be added here."""
    text = {name: str(value) for name, value in ids.items()}
    expense = {
        "account_id": text["account_id"],
        "date": "2025-03-10",
        "amount": "1.00",
        "description": "x",
    }
    budget = {
        "name": "x",
        "level": "team",
        "type": "custom",
        "amount": "1.00",
        "currency": "EUR",
        "starts_on": "2025-01-01",
        "ends_on": "2025-12-31",
        "parent_id": text["budget_id"],
    }
    return {
        ("POST", "/api/accounts"): [{"name": "x", "type": "bank", "owner_id": text["user_id"]}],
        ("PATCH", "/api/accounts/{account_id}"): [{"name": "x"}],
        ("PUT", "/api/accounts/{account_id}/shares/{user_id}"): [{}],
        ("POST", "/api/transactions"): [expense],
        ("PATCH", "/api/transactions/{transaction_id}"): [{"description": "x"}],
        ("POST", "/api/categories"): [{"name": "x", "parent_id": text["category_id"]}],
        ("PATCH", "/api/categories/{category_id}"): [{"name": "x"}],
        ("POST", "/api/tags"): [{"name": ""}],
        ("PATCH", "/api/tags/{tag_id}"): [{"name": "x"}],
        ("POST", "/api/budgets"): [budget],
        ("PATCH", "/api/budgets/{budget_id}"): [{"name": "x"}],
        ("PUT", "/api/budgets/{budget_id}/shares/{user_id}"): [{}],
        ("POST", "/api/analytics/refresh"): [{}],
    }


async def answers(
    client: httpx.AsyncClient, ids: dict[str, Any], *, only: set[str] | None = None
) -> AsyncIterator[tuple[str, str, httpx.Response]]:
    known = bodies(ids)
    for method, path in routes():
        if (method, path) in PUBLIC or (only and method not in only):
            continue
        url = filled(path, ids)
        for body in known[method, path] if method in {"POST", "PUT", "PATCH"} else [None]:
            yield method, path, await client.request(method, url, json=body)


@pytest.mark.parametrize("token", [None, "nonsense", "outlay_" + "A" * 43, "a.b.c"])
async def test_a_stranger_gets_nowhere(
    app: FastAPI, world: World, stack: AsyncExitStack, token: str | None
) -> None:
    client = await client_of(stack, app, world, None)
    if token is not None:
        client.headers["Authorization"] = f"Bearer {token}"
    async for method, path, answer in answers(client, world.ours.ids):
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"


# Reaching for what is theirs: not there (404), not for this role (403), or a reference that does
# not exist (422). Nobody runs Dagster in this test, so a refresh cannot be asked for (503).
REFUSALS = {403, 404, 422, 503}


@pytest.mark.parametrize("role", list(Role))
async def test_nothing_of_another_organization_can_be_reached(
    app: FastAPI, world: World, stack: AsyncExitStack, role: Role
) -> None:
    client = await client_of(stack, app, world, world.ours.members[role])
    async for method, path, answer in answers(client, world.theirs.ids):
        where = (method, path, answer.status_code, answer.text[:300])
        if method != "GET" or "_id}" in path.replace("{dataset_id}", ""):
            assert answer.status_code in REFUSALS, where
        assert THEIRS not in answer.text, where
        assert str(world.theirs.organization_id) not in answer.text, where


@pytest.mark.parametrize("role", list(Role))
async def test_an_unknown_id_and_a_foreign_one_get_the_same_answer(
    app: FastAPI, world: World, stack: AsyncExitStack, role: Role
) -> None:
    client = await client_of(stack, app, world, world.ours.members[role])
    unknown = dict.fromkeys(world.theirs.ids, "0198f1a2-0000-7000-8000-000000000000")
    foreign = [
        (a.status_code, a.json().get("title"), a.json().get("type"))
        async for _, path, a in answers(client, world.theirs.ids)
        if "_id}" in path.replace("{dataset_id}", "") and a.status_code != 204
    ]
    absent = [
        (a.status_code, a.json().get("title"), a.json().get("type"))
        async for _, path, a in answers(client, unknown)
        if "_id}" in path.replace("{dataset_id}", "") and a.status_code != 204
    ]
    assert foreign == absent


async def test_the_list_of_datasets_is_complete(
    app: FastAPI, world: World, stack: AsyncExitStack
) -> None:
    client = await client_of(stack, app, world, world.ours.members[Role.OWNER])
    found = (await client.get("/api/analytics/datasets")).json()["items"]
    assert sorted(item["id"] for item in found) == sorted(DATASETS)


@pytest.mark.parametrize("role", list(Role))
async def test_every_dataset_shows_each_role_its_own_rows_only(
    app: FastAPI, world: World, stack: AsyncExitStack, role: Role
) -> None:
    client = await client_of(stack, app, world, world.ours.members[role])
    ours = world.ours
    for dataset in DATASETS:
        answer = await client.get(f"/api/analytics/datasets/{dataset}/query")
        assert answer.status_code == 200, answer.text
        assert THEIRS not in answer.text
        rows = answer.json()["rows"]
        for row in rows:
            assert row.get("organization_id", str(ours.organization_id)) == str(
                ours.organization_id
            )
        accounts = {row["account_id"] for row in rows if row.get("account_id")}
        visible = {
            Role.MEMBER: {str(ours.ids["account_id"]), str(ours.ids["private_account_id"])},
            Role.VIEWER: {str(ours.ids["account_id"])},
        }.get(role)
        if visible is not None:
            assert accounts <= visible, (dataset, accounts)
            assert str(ours.ids["ancestor_id"]) not in answer.text
            assert "ancestor" not in answer.text
        elif "account_id" in (rows[0] if rows else {}):
            assert str(ours.ids["hidden_account_id"]) in accounts


@pytest.mark.parametrize("role", list(Role))
async def test_filters_by_foreign_ids_are_not_found(
    app: FastAPI, world: World, stack: AsyncExitStack, role: Role
) -> None:
    client = await client_of(stack, app, world, world.ours.members[role])
    for parameter, name in (("account_ids", "account_id"), ("tag_ids", "tag_id")):
        for path in ("datasets/fct_transactions/query", "spending-by-tag"):
            both = f"{world.ours.ids[name]},{world.theirs.ids[name]}"
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
async def test_hostile_parameters_get_a_problem_without_sql(
    app: FastAPI, world: World, stack: AsyncExitStack, name: str, value: str
) -> None:
    client = await client_of(stack, app, world, world.ours.members[Role.OWNER])
    for path in ("datasets/fct_transactions/query", "trends", "spending-by-tag"):
        answer = await client.get(f"/api/analytics/{path}", params={name: value})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        for word in ("SELECT", "duckdb", "Binder", "Parser", "Traceback"):
            assert word not in answer.text


async def test_reversed_dates_are_refused(
    app: FastAPI, world: World, stack: AsyncExitStack
) -> None:
    client = await client_of(stack, app, world, world.ours.members[Role.OWNER])
    answer = await client.get(
        "/api/analytics/datasets/fct_transactions/query",
        params={"start_date": "2025-12-31", "end_date": "2025-01-01"},
    )
    assert answer.status_code == 422
