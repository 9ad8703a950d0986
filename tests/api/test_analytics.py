"""The analytic routes: what they answer, to whom, and what they refuse."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Scope
from backend.settings import Settings
from tests.api.conftest import ActAs
from tests.api.marts import DATASETS, QUERY, People, get, refusal
from tests.factories import add_account, share_account
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
    TRAVEL,
    publish_hand_made,
    rows_of,
)

INSIGHTS = ("spending-by-tag", "trends", "balance-history")


async def test_an_answer_names_where_it_comes_from(people: People) -> None:
    response = await people.alice.get(QUERY, params={"limit": 1})
    assert response.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in response.headers["vary"]
    assert response.headers["outlay-stale"] == "false"
    answer = response.json()
    assert answer["generation"] == people.generation
    assert answer["as_of"].endswith("Z")
    assert response.headers["outlay-generation"] == people.generation
    assert response.headers["outlay-as-of"].endswith("Z")
    assert answer.keys() == {"columns", "rows", "generation", "as_of", "next_cursor"}
    assert {"name": "amount", "type": "decimal", "unit": "currency"} in answer["columns"]
    assert [column["name"] for column in answer["columns"]] == list(TABLES["fct_transactions"])
    [row] = answer["rows"]
    assert (row["amount"], row["currency"]) == ("1.0000", "EUR")


async def test_pages_follow_each_other(people: People) -> None:
    seen, place = [], {}
    while True:
        page = await get(people.bob, QUERY, limit=4, **place)
        seen += [row["amount"] for row in page["rows"]]
        if page["next_cursor"] is None:
            break
        place = {"cursor": page["next_cursor"]}
    assert seen == [f"{number}.0000" for number in range(1, 11)]


async def test_each_caller_gets_their_rows(people: People) -> None:
    for client, count in ((people.bob, 10), (people.alice, 5), (people.mallory, 0)):
        assert len((await get(client, QUERY))["rows"]) == count


async def test_an_account_shared_in_the_ledger_is_seen(
    people: People, settings: Settings, engine: AsyncEngine, act_as: ActAs
) -> None:
    bob, alice = people.scopes["bob"], people.scopes["alice"]
    async with organization_session(engine, bob.organization_id) as session:
        account = await add_account(session, bob.user_id)
        await share_account(session, account.id, alice.user_id)
    ids = {
        ACME: bob.organization_id, BOB: bob.user_id, ALICE: alice.user_id, BOBS: account.id
    }  # fmt: skip
    publish_hand_made(settings.warehouse_dir, rows_of(ids))
    answer = await get(people.alice, QUERY, account_ids=str(account.id))
    assert [row["amount"][:-5] for row in answer["rows"]] == ["6", "7", "8", "9", "10"]


async def test_filters(people: People) -> None:
    async def amounts(**parameters: Any) -> list[int]:
        answer = await get(people.bob, QUERY, **parameters)
        return [int(row["amount"][:-5]) for row in answer["rows"]]

    assert await amounts(start_date="2025-02-10", end_date="2025-03-10") == [2, 3, 7, 8]
    assert await amounts(account_ids=str(BOBS)) == [6, 7, 8, 9, 10]
    assert len(await amounts(account_ids=f"{ALICES},{BOBS}")) == 10
    assert len(await amounts(account_ids=[str(ALICES), str(BOBS), str(BOBS)])) == 10
    assert await amounts(tag_ids=str(FOOD)) == [1, 3, 5, 6, 8, 10]
    assert await amounts(tag_ids=f"{FOOD},{TRAVEL}", account_ids=str(ALICES)) == [1, 3, 5]
    assert await amounts(tag_ids=str(TRAVEL)) == []


@pytest.mark.parametrize("name", ["account_ids", "tag_ids"])
async def test_an_empty_list_means_no_rows(name: str, people: People) -> None:
    assert (await get(people.bob, QUERY, **{name: ""}))["rows"] == []


async def test_ids_of_others_and_of_nobody_are_the_same(people: People) -> None:
    unknown = []
    for client, parameters in (
        (people.bob, {"account_ids": str(EVES)}),
        (people.bob, {"account_ids": f"{ALICES},{uuid4()}"}),
        (people.alice, {"account_ids": str(BOBS)}),
        (people.mallory, {"account_ids": str(ALICES)}),
    ):
        unknown.append(await refusal(client, QUERY, **parameters))
    assert {problem["status"] for problem in unknown} == {404}
    assert len({problem["detail"] for problem in unknown}) == 1
    for tag in (FOREIGN, uuid4()):
        assert (await refusal(people.bob, QUERY, tag_ids=str(tag)))["status"] == 404


async def test_unknown_datasets(people: People) -> None:
    for suffix in ("schema", "query"):
        problem = await refusal(people.bob, f"{DATASETS}/fct_transaction/{suffix}")
        assert problem["status"] == 404
        assert "Did you mean 'fct_transactions'" in problem["detail"]


HOSTILE: dict[str, dict[str, Any]] = {
    "quote": {"account_ids": "' OR '1'='1"},
    "comment": {"tag_ids": f"{FOOD}--"},
    "stacked statement": {"start_date": "2025-01-01'; DROP TABLE marts.dim_tags; --"},
    "unicode": {"start_date": "２０２５-01-01"},  # noqa: RUF001  # digits that int() would take
    "zero byte": {"account_ids": f"{ALICES}\x00"},
    "huge number": {"limit": "9" * 400},
    "huge offset": {"offset": 10**30},
    "reversed dates": {"start_date": "2025-02-01", "end_date": "2025-01-31"},
    "impossible date": {"end_date": "2025-02-30"},
    "date as a number": {"start_date": "1735689600"},
    "date far away": {"start_date": "9999-12-31"},
    "unknown column": {"vendr": "x"},
    "column of the table": {"organization_id": str(uuid4())},
    "misspelt filter": {"acount_ids": str(ALICES)},
    "no limit": {"limit": 0},
    "negative limit": {"limit": -1},
    "limit too large": {"limit": 10_001},
    "negative offset": {"offset": -1},
    "limit of another type": {"limit": "ten"},
    "fraction": {"limit": "1.5"},
    "not an id": {"account_ids": "1"},
    "id in braces": {"account_ids": f"{{{ALICES}}}"},
    "half an id": {"account_ids": f"{ALICES},"},
    "too many ids": {"tag_ids": ",".join([str(FOOD)] * 1_001)},
    "twice": {"start_date": ["2025-01-01", "2024-01-01"]},
}


@pytest.mark.parametrize("path", [QUERY, *(f"/api/analytics/{name}" for name in INSIGHTS)])
async def test_hostile_parameters_are_refused_without_a_word_of_sql(
    path: str, people: People
) -> None:
    before = await get(people.bob, QUERY)
    for name, parameters in HOSTILE.items():
        problem = await refusal(people.bob, path, **parameters)
        assert problem["status"] == 422, name
        assert problem["errors"][0]["pointer"] in parameters or name == "reversed dates"
        text = str(problem).upper()
        assert not any(word in text for word in ("SELECT", "DUCKDB", "BINDER", "FROM MARTS")), name
    assert await get(people.bob, QUERY) == before


async def test_a_misspelt_parameter_is_helped(people: People) -> None:
    problem = await refusal(people.bob, QUERY, acount_ids=str(ALICES))
    assert problem["errors"] == [{"pointer": "acount_ids", "detail": "Did you mean 'account_ids'?"}]
    for path in (DATASETS, f"{DATASETS}/dim_tags/schema", "/api/analytics/status"):
        assert (await refusal(people.bob, path, limit=5))["errors"][0]["pointer"] == "limit"


async def test_a_filter_that_a_dataset_lacks_is_refused(people: People) -> None:
    problem = await refusal(people.bob, f"{DATASETS}/dim_tags/query", account_ids=str(ALICES))
    assert problem["status"] == 422
    [fault] = problem["errors"]
    assert fault["pointer"] == "account_ids"
    assert "fct_transactions" in fault["detail"]
    assert "dim_tags" not in fault["detail"]


@pytest.mark.parametrize(
    ("path", "has_tags"), [("spending-by-tag", True), ("trends", False), ("balance-history", False)]
)
async def test_an_insight_documents_the_filters_that_it_has(
    path: str, *, has_tags: bool, people: People
) -> None:
    document = await get(people.bob, "/openapi.json")
    documented = document["paths"][f"/api/analytics/{path}"]["get"]["parameters"]
    filters = {"start_date", "end_date", "account_ids"} | ({"tag_ids"} if has_tags else set())
    names = {parameter["name"] for parameter in documented if parameter["in"] == "query"}
    assert names == filters | {"limit", "offset", "cursor", "as_of"}
    if not has_tags:
        problem = await refusal(people.bob, f"/api/analytics/{path}", tag_ids=str(FOOD))
        assert problem["errors"][0]["pointer"] == "tag_ids"


async def test_the_list_of_datasets(people: People) -> None:
    answer = await get(people.alice, DATASETS)
    assert {item["id"] for item in answer["items"]} == set(TABLES)
    assert answer["generation"] == people.generation
    by_id = {item["id"]: item for item in answer["items"]}
    assert by_id["fct_transactions"]["parameters"] == [
        "start_date", "end_date", "account_ids", "tag_ids"
    ]  # fmt: skip
    assert by_id["dim_tags"]["parameters"] == ["tag_ids"]
    assert by_id["fct_monthly_trends"]["time_grain"] == "month"


async def test_spending_by_tag(people: People) -> None:
    answer = await get(people.bob, "/api/analytics/spending-by-tag", start_date="2025-01-01")
    assert {row["tag.name"]: row["spent"] for row in answer["rows"]} == {
        "Food": "10.0000",
        "Travel": "10.0000",
        None: "10.0000",
    }
    assert {row["currency"] for row in answer["rows"]} == {"EUR"}
    one = await get(people.bob, "/api/analytics/spending-by-tag", tag_ids=str(TRAVEL))
    assert [row["tag.name"] for row in one["rows"]] == ["Travel"]
    hers = await get(people.alice, "/api/analytics/spending-by-tag", tag_ids=str(TRAVEL))
    assert [row["spent"] for row in hers["rows"]] == ["5.0000"]
    assert (await get(people.mallory, "/api/analytics/spending-by-tag"))["rows"] == []


async def test_trends(people: People) -> None:
    answer = await get(people.bob, "/api/analytics/trends", start_date="2025-02-17")
    assert [row["month"] for row in answer["rows"]] == ["2025-02-01", "2025-03-01"]
    assert answer["rows"][0] == {
        "month": "2025-02-01",
        "currency": "EUR",
        "base_currency": "EUR",
        "income": "600.0000",
        "spending": "400.0000",
        "net": "200.0000",
        "savings_rate": "0.333333",
        "base_income": "600.0000",
        "base_spending": "400.0000",
        "base_net": "200.0000",
        "unconverted": 0,
    }


async def test_balance_history(people: People) -> None:
    answer = await get(
        people.bob, "/api/analytics/balance-history", account_ids=str(ALICES), end_date="2025-01-02"
    )
    assert [(row["balance_date"], row["balance"]) for row in answer["rows"]] == [
        ("2025-01-01", "100.0000"),
        ("2025-01-02", "200.0000"),
    ]
    assert answer["rows"][0]["account.name"] == f"Account {ALICES.int}"


async def test_the_status_counts_what_the_caller_sees(people: People) -> None:
    status = await get(people.alice, "/api/analytics/status")
    assert status["available"] is True
    assert status["generation"] == people.generation
    assert status["stale"] is False
    assert 0 <= status["age_seconds"] < 300
    assert status["datasets"] == len(TABLES)
    assert status["row_counts"]["fct_transactions"] == 5
    strange = await get(people.mallory, "/api/analytics/status")
    assert {name for name, count in strange["row_counts"].items() if count} == {"dim_date"}


async def test_stale_answers_say_so(
    settings: Settings, people: People, engine: AsyncEngine
) -> None:
    publish_hand_made(settings.warehouse_dir)  # whose source was read long ago
    response = await people.bob.get(QUERY)
    assert response.headers["outlay-stale"] == "true"


async def test_without_a_generation(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    status = await client.get("/api/analytics/status")
    assert status.status_code == 200
    assert status.json()["available"] is False
    assert "outlay refresh" in status.json()["detail"]
    paths = [DATASETS, QUERY, f"{DATASETS}/dim_tags/schema"]
    for path in [*paths, *(f"/api/analytics/{name}" for name in INSIGHTS)]:
        response = await client.get(path)
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert "POST /api/analytics/refresh" in response.json()["detail"]


async def test_nobody_gets_nothing(stranger: httpx.AsyncClient) -> None:
    paths = [DATASETS, QUERY, f"{DATASETS}/dim_tags/schema", "/api/analytics/status"]
    for path in [*paths, *(f"/api/analytics/{name}" for name in INSIGHTS)]:
        assert (await stranger.get(path)).status_code == 401
