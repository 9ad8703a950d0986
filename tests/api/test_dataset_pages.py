"""Pages of a dataset: each row once, whatever is published meanwhile, and for nobody else."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role
from backend.settings import Settings
from backend.warehouse.cursors import encode
from backend.warehouse.store import Warehouse
from tests.api.conftest import ActAs
from tests.api.marts import DATASETS, QUERY, People, get, refusal
from tests.factories import add_account, make_member, share_account
from tests.warehouse.hand_made import ACME, BOB, TABLES, publish_hand_made, rows_of

ROWS, PUBLISHES, PAGE = 100_000, 10, 10_000


async def pages(
    client: httpx.AsyncClient, path: str, **parameters: Any
) -> AsyncIterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, path, **parameters, **cursor)
        yield page
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def many_transactions(people: People, number: int) -> list[str]:
    """Each generation names its number and stores its rows in another order."""
    bob = people.scopes["bob"]
    made = {
        "organization_id": f"UUID '{bob.organization_id}'",
        "transaction_id": "CAST(lpad(to_hex(n), 32, '0') AS UUID)",
        "owner_id": f"UUID '{bob.user_id}'",
        "vendor": f"'G{number}'",
        "amount": "n % 1000",
    }
    columns = ", ".join(made.get(name, "NULL") for name in TABLES["fct_transactions"])
    order = f"(n * 7919 + {number}) % {ROWS}"
    rows = f"SELECT {columns} FROM range({ROWS}) AS t(n) ORDER BY {order}"
    return [f"INSERT INTO marts.fct_transactions {rows}"]


@pytest.mark.parametrize("parameters", [{}, {"sort": "-amount"}], ids=["as stored", "sorted"])
async def test_every_row_comes_once_while_generations_are_published(
    parameters: dict[str, str], people: People, settings: Settings
) -> None:
    def publish(number: int) -> str:
        rows = many_transactions(people, number)
        return publish_hand_made(settings.warehouse_dir, {}, statements=rows).id

    first = publish(0)
    seen: list[str] = []
    turned = asyncio.Queue[None]()

    async def read() -> None:
        fields = "transaction_id,vendor,amount"
        async for page in pages(people.bob, QUERY, fields=fields, limit=PAGE, **parameters):
            assert page["generation"] == first
            assert {row["vendor"] for row in page["rows"]} == {"G0"}
            seen.extend(row["transaction_id"] for row in page["rows"])
            turned.put_nowait(None)

    async def publish_meanwhile() -> None:
        for number in range(1, PUBLISHES + 1):
            await turned.get()
            identity = await asyncio.to_thread(publish, number)
            current = await get(people.bob, QUERY, limit=1)
            assert (current["generation"], current["rows"][0]["vendor"]) == (identity, f"G{number}")

    await asyncio.gather(read(), publish_meanwhile())
    assert len(seen) == ROWS
    assert len(set(seen)) == ROWS


async def test_every_order_is_walked_to_its_end(people: People) -> None:
    """Whatever the type of a key, and however many rows are equal by it."""
    columns = [name for name in TABLES["fct_transactions"] if name != "tag_ids"]
    for client, count in ((people.bob, 10), (people.alice, 5)):
        for name in [*columns, "account.name", "budget.name"]:
            for sort in (name, f"-{name}"):
                whole = await get(client, QUERY, sort=sort)
                walked = [
                    row
                    async for page in pages(client, QUERY, sort=sort, limit=3)
                    for row in page["rows"]
                ]
                assert walked == whole["rows"], sort
                assert len(walked) == count


async def post(client: httpx.AsyncClient, body: Mapping[str, Any]) -> Any:
    response = await client.post(QUERY, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_groups_have_pages_too(people: People) -> None:
    body = {
        "dimensions": [{"column": "vendor"}, {"column": "booking_date", "grain": "month"}],
        "measures": ["total", "average", "events"],
        "order": [{"field": "average", "descending": True}],
        "totals": {"subtotals": "all"},
    }
    whole = await post(people.bob, body)
    walked, cursor = [], {}
    while True:
        page = await post(people.bob, {**body, **cursor, "limit": 2})
        walked += page["rows"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert walked == whole["rows"]


async def test_a_page_may_have_another_size_and_begin_after_an_offset(people: People) -> None:
    first = await get(people.bob, QUERY, offset=2, limit=3)
    second = await get(people.bob, QUERY, cursor=first["next_cursor"], limit=4)
    third = await get(people.bob, QUERY, cursor=second["next_cursor"])
    rows = [row["amount"][:-5] for page in (first, second, third) for row in page["rows"]]
    assert rows == [str(number) for number in range(3, 11)]
    assert third["next_cursor"] is None


async def test_insights_have_pages_too(people: People) -> None:
    path = "/api/analytics/balance-history"
    whole = await get(people.bob, path)
    walked = [row async for page in pages(people.bob, path, limit=3) for row in page["rows"]]
    assert walked == whole["rows"]
    assert len(walked) == 8
    problem = await refusal(people.bob, path, cursor="x")
    assert problem["errors"][0]["pointer"] == "cursor"


async def test_keys_too_long_for_a_cursor_are_counted_instead(
    people: People, settings: Settings
) -> None:
    ids = {ACME: people.scopes["bob"].organization_id, BOB: people.scopes["bob"].user_id}
    publish_hand_made(
        settings.warehouse_dir,
        rows_of(ids),
        statements=["UPDATE marts.fct_transactions SET vendor = repeat('ü', 9000) || amount"],
    )
    async for page in pages(people.bob, QUERY, sort="vendor", limit=3, fields="amount"):
        assert len(page["next_cursor"] or "") <= 8_000
    walked = [
        row["amount"][:-5]
        async for page in pages(people.bob, QUERY, sort="vendor", limit=3, fields="amount")
        for row in page["rows"]
    ]
    assert walked == ["1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]


async def test_a_cursor_is_for_one_query_of_one_caller(
    people: People, settings: Settings, engine: AsyncEngine, act_as: ActAs
) -> None:
    bob = people.scopes["bob"]
    good = (await get(people.bob, QUERY, limit=3, sort="amount"))["next_cursor"]
    assert (await get(people.bob, QUERY, sort="amount", cursor=good))["rows"]
    colleague = act_as(await make_member(engine, bob.organization_id, Role.OWNER))
    foreign = encode(Warehouse(settings).read_cursor(good), b"another instance".ljust(32))
    refused = [
        await refusal(client, path, **parameters)
        for client, path, parameters in (
            (people.bob, QUERY, {"cursor": "x", "sort": "amount"}),
            (people.bob, QUERY, {"cursor": foreign, "sort": "amount"}),
            (people.bob, QUERY, {"cursor": good[:-2], "sort": "amount"}),
            (people.bob, QUERY, {"cursor": good}),
            (people.bob, QUERY, {"cursor": good, "sort": "-amount"}),
            (people.bob, QUERY, {"cursor": good, "sort": "amount", "amount[gte]": "1"}),
            (people.bob, QUERY, {"cursor": good, "sort": "amount", "fields": "amount"}),
            (people.bob, QUERY, {"cursor": good, "sort": "amount", "time_zone": "Asia/Tokyo"}),
            (people.bob, f"{DATASETS}/dim_tags/query", {"cursor": good}),
            (people.alice, QUERY, {"cursor": good, "sort": "amount"}),
            (people.mallory, QUERY, {"cursor": good, "sort": "amount"}),
            (colleague, QUERY, {"cursor": good, "sort": "amount"}),
        )
    ]
    for problem in refused:
        del problem["instance"]
    assert [problem["status"] for problem in refused] == [422] * len(refused)
    assert len({json.dumps(problem) for problem in refused}) == 1
    assert refused[0]["errors"][0]["pointer"] == "cursor"
    assert "start again without the cursor" in refused[0]["errors"][0]["detail"]


async def test_a_cursor_ends_with_the_sight_that_it_was_made_with(
    people: People, settings: Settings, engine: AsyncEngine
) -> None:
    bob, alice = people.scopes["bob"], people.scopes["alice"]
    cursor = (await get(people.alice, QUERY, limit=2))["next_cursor"]
    assert (await get(people.alice, QUERY, cursor=cursor))["rows"]
    async with organization_session(engine, bob.organization_id) as session:
        account = await add_account(session, bob.user_id)
        await share_account(session, account.id, alice.user_id)
    await until_seen(people.alice, cursor)
    cursor = (await get(people.alice, QUERY, limit=2))["next_cursor"]
    async with organization_session(engine, bob.organization_id) as session:
        await session.execute(
            text("UPDATE members SET role = 'analyst' WHERE user_id = :user"),
            {"user": alice.user_id},
        )
    await until_seen(people.alice, cursor)


async def until_seen(client: httpx.AsyncClient, cursor: str) -> None:
    """PostgreSQL tells the service of a change a moment after it."""
    async with asyncio.timeout(30):
        while True:
            response = await client.get(QUERY, params={"cursor": cursor})
            if response.status_code == 422:
                return
            assert response.status_code == 200
            await asyncio.sleep(0.01)


async def test_a_cursor_of_a_pruned_generation_is_gone(people: People, settings: Settings) -> None:
    first = await get(people.bob, QUERY, limit=3)
    publish_hand_made(settings.warehouse_dir, {})
    assert len((await get(people.bob, QUERY, cursor=first["next_cursor"]))["rows"]) == 7
    shutil.rmtree(settings.warehouse_dir / first["generation"])
    problem = await refusal(people.bob, QUERY, cursor=first["next_cursor"])
    assert (problem["status"], problem["type"]) == (410, "urn:outlay:problem:gone")
    assert problem["errors"] == [{"pointer": "cursor", "detail": "Start again without the cursor."}]
    body = {"cursor": first["next_cursor"]}
    gone = await people.bob.post(QUERY, json=body)
    assert (gone.status_code, gone.json()["errors"][0]["pointer"]) == (410, "#/cursor")
    # To whom it was never given, it is what any forged one is.
    assert (await refusal(people.mallory, QUERY, cursor=first["next_cursor"]))["status"] == 422


async def test_as_of(people: People, settings: Settings) -> None:
    newer = publish_hand_made(settings.warehouse_dir, {}, now=datetime.now(UTC))
    assert (await get(people.bob, QUERY))["rows"] == []
    for as_of in (people.generation, (newer.source.taken_at - timedelta(0, 0, 1)).isoformat()):
        then = await get(people.bob, QUERY, as_of=as_of, limit=6)
        assert (then["generation"], len(then["rows"])) == (people.generation, 6)
        rest = await get(people.bob, QUERY, as_of=as_of, cursor=then["next_cursor"])
        assert (rest["generation"], len(rest["rows"])) == (people.generation, 4)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await get(people.bob, QUERY, as_of=tomorrow))["generation"] == newer.id
    problem = await refusal(people.bob, QUERY, as_of="1999-01-01T00:00Z")
    assert problem["status"] == 410
    assert problem["errors"][0]["pointer"] == "as_of"
    assert "oldest available is 20" in problem["detail"]


async def test_the_days_of_the_first_page_are_those_of_the_others(
    people: People, settings: Settings, monkeypatch: pytest.MonkeyPatch, app: Any
) -> None:
    """Across midnight, and into another month."""
    clock = datetime(2025, 4, 30, 23, 59, tzinfo=UTC)
    warehouse = app.state.outlay.warehouse
    monkeypatch.setattr(warehouse, "_now", lambda: clock)
    last_month = {"booking_date[during]": "last_month"}  # each has one transaction a month
    first = await get(people.bob, QUERY, **last_month, limit=1)
    assert [row["amount"] for row in first["rows"]] == ["3.0000"]
    clock += timedelta(minutes=2)
    second = await get(people.bob, QUERY, **last_month, limit=1, cursor=first["next_cursor"])
    assert [row["amount"] for row in second["rows"]] == ["8.0000"]
    assert second["next_cursor"] is None
    anew = await get(people.bob, QUERY, **last_month)
    assert [row["amount"] for row in anew["rows"]] == ["4.0000", "9.0000"]
