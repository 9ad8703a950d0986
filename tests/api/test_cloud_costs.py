"""Cloud costs: imported from FOCUS files, listed and summed up for those who see their account."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.api.uploads import imported, rows_of, sample
from tests.factories import add_account, make_member, make_organization

FOCUS = list(csv.DictReader(io.StringIO(sample("focus_1_0.csv").decode())))


@pytest.fixture
async def cloud(engine: AsyncEngine, owner: Scope) -> UUID:
    async with organization_session(engine, owner.organization_id) as session:
        return (await add_account(session, owner.user_id, type="cloud", currency="USD")).id


def as_parquet() -> bytes:
    columns = {
        name: [None if row[name] == "NULL" else row[name] for row in FOCUS] for name in FOCUS[0]
    }
    sink = io.BytesIO()
    pq.write_table(pa.table({n: pa.array(v, pa.string()) for n, v in columns.items()}), sink)
    return sink.getvalue()


async def test_a_focus_file_comes_in_completely_and_only_once(
    act_as: ActAs, owner: Scope, cloud: UUID, engine: AsyncEngine
) -> None:
    client = act_as(owner)
    first = await imported(client, sample("focus_1_0.csv"), cloud)
    assert (first["format"], first["created"], first["failed"]) == ("focus", 60, 0)
    assert first["rows"][0]["service_name"]
    for content in (sample("focus_1_0.csv"), as_parquet()):
        again = await imported(client, content, cloud)
        assert (again["created"], again["duplicates"]) == (0, 60)
        assert len(again["duplicate_rows"]) == 60
    assert await rows_of(engine, owner) == {
        "transactions": 0,
        "balance_snapshots": 0,
        "cloud_costs": 60,
        "imports": 3,
    }


async def test_parquet_comes_in_as_well(act_as: ActAs, owner: Scope, cloud: UUID) -> None:
    done = await imported(act_as(owner), as_parquet(), cloud)
    assert (done["format"], done["created"], done["encoding"]) == ("focus", 60, None)


async def test_rows_are_kept_whole_and_exact(act_as: ActAs, owner: Scope, cloud: UUID) -> None:
    client = act_as(owner)
    await imported(client, sample("focus_1_0.csv"), cloud)
    listed = (await client.get("/api/cloud-costs", params={"limit": 100})).json()["items"]
    assert len(listed) == 60
    days = [row["cost_date"] for row in listed]
    assert days == sorted(days, reverse=True)
    for row in listed:
        whole = (await client.get(f"/api/cloud-costs/{row['id']}")).json()
        raw = whole["raw"]
        assert {**whole, "raw": None} == {**row, "raw": None}
        assert raw in [{n: None if v in {"", "NULL"} else v for n, v in r.items()} for r in FOCUS]
        assert Decimal(row["effective_cost"]) == Decimal(raw["EffectiveCost"])
        assert Decimal(row["billed_cost"]) == Decimal(raw["BilledCost"])


async def test_filters_and_sums_agree_with_the_file(
    act_as: ActAs, owner: Scope, cloud: UUID
) -> None:
    client = act_as(owner)
    await imported(client, sample("focus_1_0.csv"), cloud)
    summary = (await client.get("/api/cloud-costs/summary")).json()["items"]
    expected: dict[tuple[str, str], Decimal] = {}
    for row in FOCUS:
        key = (row["ProviderName"], row["ServiceName"])
        expected[key] = expected.get(key, Decimal(0)) + Decimal(row["EffectiveCost"])
    found = {
        (item["provider"], item["service_name"]): Decimal(item["effective_cost"])
        for item in summary
    }
    assert found == expected
    costs = [Decimal(item["effective_cost"]) for item in summary]
    assert costs == sorted(costs, reverse=True)

    async def count(**params: str) -> int:
        answer = await client.get("/api/cloud-costs", params={"limit": "100"} | params)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    service = FOCUS[0]["ServiceName"]
    region = FOCUS[0]["RegionName"]
    assert await count(service=service) == sum(r["ServiceName"] == service for r in FOCUS)
    assert await count(region=region) == sum(r["RegionName"] == region for r in FOCUS)
    assert await count(provider="Oracle") == 3
    day = FOCUS[0]["ChargePeriodStart"][:10]
    of_day = sum(r["ChargePeriodStart"].startswith(day) for r in FOCUS)
    assert await count(from_date=day, to_date=day) == of_day
    assert await count(account_id=str(cloud)) == 60


async def test_costs_are_seen_with_their_account_only(
    act_as: ActAs, owner: Scope, cloud: UUID, engine: AsyncEngine
) -> None:
    await imported(act_as(owner), sample("focus_1_0.csv"), cloud)
    first = (await act_as(owner).get("/api/cloud-costs")).json()["items"][0]
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    stranger = await make_member(engine, await make_organization(engine))
    for other in (member, stranger):
        client = act_as(other)
        assert (await client.get("/api/cloud-costs")).json()["items"] == []
        assert (await client.get("/api/cloud-costs/summary")).json()["items"] == []
        answer = await client.get(f"/api/cloud-costs/{first['id']}")
        assert_problem(answer, 404, "not-found")
        answer = await client.get("/api/cloud-costs", params={"account_id": str(cloud)})
        assert_problem(answer, 404, "not-found")


async def test_an_unknown_filter_is_refused(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).get("/api/cloud-costs", params={"servce": "x"})
    assert_problem(answer, 422, "invalid-input", "servce")


async def test_an_account_with_costs_is_not_deleted(
    act_as: ActAs, owner: Scope, cloud: UUID
) -> None:
    client = act_as(owner)
    await imported(client, sample("focus_1_0.csv"), cloud)
    answer = await client.delete(f"/api/accounts/{cloud}")
    assert_problem(answer, 409, "conflict")


async def test_a_rule_on_a_service_counts_cloud_costs_in_its_budget(
    act_as: ActAs, owner: Scope, cloud: UUID
) -> None:
    client = act_as(owner)
    service = "Amazon Elastic Compute Cloud"
    made = await client.post(
        "/api/budgets",
        json={
            "name": "Machines",
            "level": "service",
            "type": "custom",
            "amount": "100.00",
            "currency": "USD",
            "starts_on": "2024-09-01",
            "ends_on": "2024-09-30",
            "rules": [{"service": service}],
        },
    )
    assert made.status_code == 201, made.text
    await imported(client, sample("focus_1_0.csv"), cloud)
    path = f"/api/budgets/{made.json()['id']}"
    lines = (await client.get(f"{path}/expenses", params={"limit": 100})).json()["items"]
    september = [r for r in FOCUS if r["ChargePeriodStart"].startswith("2024-09")]
    days: dict[str, Decimal] = {}
    for row in september:
        if row["ServiceName"] == service:
            day = row["ChargePeriodStart"][:10]
            days[day] = days.get(day, Decimal(0)) + Decimal(row["EffectiveCost"])
    assert days
    rounded = {day: round(cost, 4) for day, cost in days.items()}
    assert {line["date"]: Decimal(line["amount"]) for line in lines} == rounded
    assert {(line["transaction_id"], line["description"]) for line in lines} == {(None, service)}
    figures = (await client.get(f"{path}/performance", params={"on": "2024-09-30"})).json()
    assert Decimal(figures["period"]["spent"]) == sum(rounded.values())
