from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.settings import Settings
from tests.api.books import Books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member

DRY = {"dry_run": "true"}


async def contents(settings: Settings) -> dict[str, Any]:
    """Every row of every table, as text with its place on disk and its transaction."""
    engine = create_async_engine(settings.admin_url().set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        tables = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        found = {
            table: await connection.scalar(
                text(
                    f"SELECT array_agg(ROW(t.ctid, t.xmin, t)::text ORDER BY t.ctid) FROM {table} t"
                )
            )
            for table in tables.all()
        }
    await engine.dispose()
    return found


@pytest.fixture
def writes(books: Books) -> dict[str, dict[str, Any]]:
    """A write of every kind, by what it is called with."""
    own = {"accounts": books.account.id, "tags": books.tag.id, "categories": books.category.id}
    own |= {"budgets": books.budget.id}
    created: dict[str, dict[str, Any]] = {
        "accounts": {"name": "Card", "type": "card", "currency": "EUR"},
        "tags": {"name": "Travel"},
        "categories": {"name": "Food"},
        "categories/defaults": {},
        "institutions": {"name": "Bank"},
        "expenses": books.expense(),
        "transactions:bulk": {"transactions": [books.expense()]},
        "transactions": books.expense(
            tag_ids=[str(books.tag.id)],
            splits=[{"amount": "12.50"}],
            budget_id=str(books.budget.id),
        ),
        "budgets": {
            "name": "Marketing",
            "level": "team",
            "type": "annual",
            "amount": "1000",
            "currency": "EUR",
            "starts_on": "2025-01-01",
            "ends_on": "2025-12-31",
        },
    }
    return {
        **{f"POST /api/{kind}": body for kind, body in created.items()},
        **{f"PATCH /api/{kind}/{id_}": {"name": "Other"} for kind, id_ in own.items()},
        **{f"DELETE /api/{kind}/{id_}": {} for kind, id_ in own.items()},
        f"PUT /api/accounts/{books.account.id}/balances/2025-03-10": {"balance": "1"},
    }


async def send(client: httpx.AsyncClient, write: str, body: dict[str, Any]) -> httpx.Response:
    method, path = write.split()
    return await client.request(method, path, json=body or None, params=DRY)


async def test_everything_is_answered_and_nothing_is_changed(
    act_as: ActAs, settings: Settings, books: Books, writes: dict[str, dict[str, Any]]
) -> None:
    client = act_as(books.scope)
    other = (await client.post("/api/accounts", json=writes["POST /api/accounts"])).json()
    booked = await post(client, books.expense(account_id=other["id"]))
    writes[f"PATCH /api/transactions/{booked['id']}"] = {"description": "x", "tag_ids": []}
    writes[f"DELETE /api/transactions/{booked['id']}"] = {}
    before = await contents(settings)
    for write, body in writes.items():
        answer = await send(client, write, body)
        assert answer.is_success, (write, answer.text)
        assert answer.headers["outlay-dry-run"] == "true"
        for field in {"name", "description"} & body.keys():
            assert answer.json()[field] == body[field]
    assert await contents(settings) == before


async def test_sharing_too(act_as: ActAs, settings: Settings, books: Books, engine: Any) -> None:
    member = await make_member(engine, books.scope.organization_id)
    client = act_as(books.scope)
    before = await contents(settings)
    for path in (f"/api/accounts/{books.account.id}", f"/api/budgets/{books.budget.id}"):
        for method in ("PUT", "DELETE"):
            answer = await send(client, f"{method} {path}/shares/{member.user_id}", {})
            assert answer.status_code == 204
    assert await contents(settings) == before


async def test_what_would_be_refused_is_refused(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    taken = await client.post("/api/tags", json={"name": books.tag.name}, params=DRY)
    assert_problem(taken, 409, "conflict")
    assert "outlay-dry-run" not in taken.headers
    stale = await client.patch(
        f"/api/tags/{books.tag.id}", json={"name": "x"}, params=DRY, headers={"If-Match": '"x"'}
    )
    assert_problem(stale, 412, "precondition-failed")


async def test_a_dry_run_leaves_its_key_free(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        tried = await client.post("/api/tags", json={"name": "x"}, params=DRY, headers=key)
        assert (tried.status_code, tried.headers["outlay-dry-run"]) == (201, "true")
    done = await client.post("/api/tags", json={"name": "x"}, headers=key)
    assert done.status_code == 201
    assert not {"outlay-dry-run", "idempotency-replayed"} & done.headers.keys()


@pytest.mark.parametrize("typo", ["dryrun", "dry-run", "DRY_RUN", "x"])
async def test_a_parameter_that_is_none_does_not_write(
    act_as: ActAs, books: Books, typo: str
) -> None:
    client = act_as(books.scope)
    answer = await client.post(f"/api/tags?{typo}=true", json={"name": "x"})
    assert "dry_run" in answer.text
    assert_problem(answer, 422, "invalid-input", typo)
    assert len((await client.get("/api/tags")).json()["items"]) == 1
