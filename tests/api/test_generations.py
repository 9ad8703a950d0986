"""Which generations are kept, and how they compare with their source: the caller's part of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.checks import store_checks
from backend.warehouse.generation import DATABASE
from backend.warehouse.reconcile import Comparison
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization
from tests.warehouse.hand_made import ACME, publish_hand_made, rows_of

GENERATIONS = "/api/analytics/generations"
RECONCILIATION = "/api/analytics/reconciliation"
FINE = Decimal("0.000000000001")
WIDE = Decimal("12345678901234567890123456.123456789012")


def compared(organization: UUID) -> list[Comparison]:
    return [
        Comparison("dim_tags", organization, None, 2, 2, None, None),
        Comparison("fct_cost_events.amount", organization, "EUR", 3, 3, FINE, FINE),
        Comparison("fct_cost_events.amount", organization, "USD", 1, 1, WIDE, WIDE),
    ]


@pytest.fixture
async def other(engine: AsyncEngine) -> Scope:
    """The owner of an organization that has nothing in the marts."""
    return await make_member(engine, await make_organization(engine))


@pytest.fixture
def published(settings: Settings, owner: Scope, other: Scope) -> list[str]:
    """Two generations with the owner's rows, the older first; both organizations compared."""
    ids = []
    for age in (timedelta(hours=1), timedelta()):
        identity = publish_hand_made(
            settings.warehouse_dir,
            rows_of({ACME: owner.organization_id}),
            now=datetime.now(UTC) - age,
        ).id
        database = settings.warehouse_dir / identity / DATABASE
        store_checks(
            database,
            [
                *compared(owner.organization_id),
                Comparison("dim_tags", other.organization_id, None, 7, 7, None, None),
            ],
        )
        ids.append(identity)
    return ids


async def test_the_generations_that_are_kept(
    act_as: ActAs, owner: Scope, settings: Settings, published: list[str]
) -> None:
    answer = await act_as(owner).get(GENERATIONS)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["id"] for item in items] == published[::-1]
    assert [item["current"] for item in items] == [True, False]
    assert items[0]["as_of"].endswith("Z")
    assert items[0]["rows"] == _rows(settings.warehouse_dir / published[1], owner.organization_id)
    assert items[0]["rows"]["fct_transactions"] > 0
    assert "organizations" not in answer.text


async def test_counts_are_of_ones_own_organization_and_for_who_sees_all_of_it(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, other: Scope, published: list[str]
) -> None:
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    for scope in (member, viewer):
        items = (await act_as(scope).get(GENERATIONS)).json()["items"]
        assert [item["id"] for item in items] == published[::-1], "any member may read them"
        assert [item["rows"] for item in items] == [None, None]
    items = (await act_as(other).get(GENERATIONS)).json()["items"]
    assert [item["rows"] for item in items] == [{}, {}]


async def test_before_the_first_generation(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).get(GENERATIONS)
    assert answer.json() == {"items": [], "next_cursor": None}
    assert_problem(await act_as(owner).get(RECONCILIATION), 503, "unavailable")
    assert_problem(await act_as(owner).get(GENERATIONS, params={"q": 1}), 422, "invalid-input", "q")


async def test_a_reconciliation_is_exact_and_of_ones_own_organization(
    act_as: ActAs, owner: Scope, other: Scope, published: list[str]
) -> None:
    answer = await act_as(owner).get(RECONCILIATION)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["generation"] == published[-1]
    dimension, fine, wide = body["items"]
    assert (dimension["dataset"], dimension["measure"], dimension["difference"]) == (
        "dim_tags",
        None,
        None,
    )
    assert (fine["dataset"], fine["measure"], fine["currency"]) == (
        "fct_cost_events",
        "amount",
        "EUR",
    )
    assert fine["source_amount"] == fine["mart_amount"] == "0.000000000001"
    assert wide["mart_amount"] == "12345678901234567890123456.123456789012"
    assert {Decimal(item["difference"]) for item in (fine, wide)} == {Decimal(0)}
    assert {item["row_difference"] for item in body["items"]} == {0}

    [theirs] = (await act_as(other).get(RECONCILIATION)).json()["items"]
    assert theirs["source_rows"] == 7


@pytest.mark.parametrize("role", list(Role))
async def test_a_reconciliation_is_for_who_sees_the_whole_organization(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, published: list[str], role: Role
) -> None:
    scope = await make_member(engine, owner.organization_id, role)
    answer = await act_as(scope).get(RECONCILIATION)
    if scope.sees_whole_organization:
        assert answer.status_code == 200
    else:
        assert_problem(answer, 403, "forbidden")


async def test_an_older_generation_is_asked_by_its_id(
    act_as: ActAs, owner: Scope, settings: Settings, published: list[str]
) -> None:
    client = act_as(owner)
    older = await client.get(RECONCILIATION, params={"as_of": published[0]})
    assert older.json()["generation"] == published[0]
    for unknown, status, slug in (
        ("20200101T000000Z-00000000", 410, "gone"),
        ("2020-01-01T00:00:00Z", 410, "gone"),
        ("../" + published[0], 422, "invalid-input"),
    ):
        refused = await client.get(RECONCILIATION, params={"as_of": unknown})
        assert_problem(refused, status, slug, "as_of")
    assert_problem(
        await client.get(RECONCILIATION, params={"generation": published[0]}),
        422,
        "invalid-input",
        "generation",
    )

    with duckdb.connect(settings.warehouse_dir / published[0] / DATABASE) as connection:
        connection.execute("DROP SCHEMA checks CASCADE")  # as an earlier version published it
    before = await client.get(RECONCILIATION, params={"as_of": published[0]})
    assert_problem(before, 503, "unavailable")
    assert "POST /api/analytics/refresh" in before.json()["detail"]
    items = (await client.get(GENERATIONS)).json()["items"]
    assert items[-1]["rows"] is None


async def test_it_is_read_while_the_same_generation_is_queried(
    act_as: ActAs, owner: Scope, published: list[str]
) -> None:
    client = act_as(owner)
    rows = await client.get("/api/analytics/datasets/dim_tags/query")
    assert rows.status_code == 200, rows.text
    assert (await client.get(RECONCILIATION)).status_code == 200
    assert (await client.get("/api/analytics/datasets/dim_tags/query")).content == rows.content


def _rows(folder: Path, organization: UUID) -> dict[str, int]:
    with duckdb.connect(folder / DATABASE, read_only=True) as connection:
        marts = connection.execute(
            "SELECT table_name FROM duckdb_columns() "
            "WHERE schema_name = 'marts' AND column_name = 'organization_id'"
        ).fetchall()
        counts = {}
        for (mart,) in marts:
            query = f"SELECT count(*) FROM marts.{mart} WHERE organization_id = $1"
            [(rows,)] = connection.execute(query, [organization]).fetchall()
            counts[mart] = rows
    return {mart: rows for mart, rows in counts.items() if rows}
