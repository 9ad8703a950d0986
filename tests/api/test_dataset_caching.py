"""ETags, `304` and kept answers: the same bytes for the same question, and never another's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role
from backend.settings import Settings
from backend.warehouse.execution import Execution
from tests.api.conftest import ActAs
from tests.api.marts import DATASETS, QUERY, People, get
from tests.factories import make_member
from tests.warehouse.hand_made import (
    ACME,
    ALICE,
    ALICES,
    BOB,
    NOON,
    publish_hand_made,
    rows_of,
)


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that DuckDB was given."""
    given: list[str] = []
    fetch = Execution.fetch

    async def counted(self: Execution, generation: Any, sql: str, *rest: Any) -> Any:
        given.append(sql)
        await asyncio.sleep(0)
        return await fetch(self, generation, sql, *rest)

    monkeypatch.setattr(Execution, "fetch", counted)
    return given


async def tag(client: httpx.AsyncClient, path: str = QUERY, **parameters: Any) -> str:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.headers["etag"]


async def test_what_one_has_is_not_sent_again_nor_asked_again(
    people: People, executions: list[str]
) -> None:
    for path in (QUERY, "/api/analytics/trends", f"{DATASETS}/dim_tags/query"):
        first = await people.alice.get(path)
        executions.clear()
        etag = first.headers["etag"]
        for condition in (etag, f"W/{etag}", f'"other", {etag}', f'W/"x",W/{etag},"y"', "*"):
            again = await people.alice.get(path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (304, b""), condition
            for name in (
                *("etag", "cache-control", "vary", "outlay-stale"),
                *("outlay-generation", "outlay-as-of"),
            ):
                assert again.headers[name] == first.headers[name]
        assert executions == []
        for condition in ('"other"', etag.strip('"'), f'"{etag}"', "", "W/"):
            again = await people.alice.get(path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (200, first.content), condition
    assert "Authorization, Outlay-Organization, Accept" in first.headers["vary"]


async def test_an_answer_that_there_is_not_is_never_304(people: People) -> None:
    for condition in ("*", '"x"'):
        response = await people.alice.get(
            QUERY, params={"tag_ids": str(ACME)}, headers={"If-None-Match": condition}
        )
        assert response.status_code == 404


async def test_each_question_has_a_tag_of_its_own(people: People) -> None:
    questions: list[dict[str, Any]] = [
        {},
        {"limit": 5},
        {"limit": 6},
        {"offset": 1},
        {"fields": "amount"},
        {"sort": "amount"},
        {"sort": "-amount"},
        {"amount[gte]": "1"},
        {"amount[gt]": "1"},
        {"account_ids": str(ALICES)},
        {"start_date": "2025-01-01"},
        {"end_date": "2025-01-01"},
        {"time_zone": "Asia/Tokyo"},
        {"cursor": (await get(people.bob, QUERY, limit=5))["next_cursor"]},
        {"format": "csv"},
        {"format": "ndjson"},
    ]
    tags = [await tag(people.bob, **question) for question in questions]
    assert len(set(tags)) == len(questions)
    assert [await tag(people.bob, **question) for question in questions] == tags
    others = [await tag(client) for client in (people.alice, people.mallory)]
    assert len({tags[0], *others}) == 3


async def test_a_tag_changes_with_the_generation_and_not_with_time(
    people: People, settings: Settings, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = datetime(2025, 4, 10, tzinfo=UTC)
    monkeypatch.setattr(app.state.outlay.warehouse, "_now", lambda: clock)
    last_month = {"booking_date[during]": "last_month", "limit": 1}
    first = await people.bob.get(QUERY, params=last_month)
    clock += timedelta(days=20)
    later = await people.bob.get(QUERY, params=last_month)
    assert (later.headers["etag"], later.content) == (first.headers["etag"], first.content)
    clock += timedelta(days=1)  # it is May
    assert await tag(people.bob, **last_month) != first.headers["etag"]
    before = await tag(people.bob)
    newer = publish_hand_made(settings.warehouse_dir, {}, now=datetime.now(UTC))
    assert await tag(people.bob) != before
    assert await tag(people.bob, as_of=people.generation) != before  # `as_of` is in the question
    assert newer.id != people.generation


async def test_becoming_stale_is_told_without_another_tag(
    people: People, settings: Settings, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await people.bob.get(QUERY)
    assert first.headers["outlay-stale"] == "false"
    later = datetime.now(UTC) + timedelta(days=30)
    monkeypatch.setattr(app.state.outlay.warehouse, "_now", lambda: later)
    again = await people.bob.get(QUERY, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["outlay-stale"]) == (304, "true")


async def test_a_name_of_days_and_these_days_are_not_one_answer(
    people: People, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor of the one goes on with its days after midnight, that of the other as well."""
    now = datetime(2025, 4, 10, tzinfo=UTC)
    monkeypatch.setattr(app.state.outlay.warehouse, "_now", lambda: now)
    named = await people.bob.get(f"{QUERY}?booking_date[during]=last_month&limit=1")
    days = await people.bob.get(f"{QUERY}?booking_date[during]=2025-03-01,2025-03-31&limit=1")
    assert named.json()["rows"] == days.json()["rows"]
    assert named.headers["etag"] != days.headers["etag"]


async def test_equal_questions_at_once_are_one_query(people: People, executions: list[str]) -> None:
    answers = await asyncio.gather(*(people.bob.get(QUERY) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(executions) == 1
    await people.bob.get(QUERY)
    assert len(executions) == 1


async def test_an_answer_is_kept_for_its_own_caller_only(
    people: People, executions: list[str], engine: AsyncEngine, act_as: ActAs
) -> None:
    """Also among those who see the same."""
    organization = people.scopes["bob"].organization_id
    callers = {
        "bob": people.bob,
        "alice": people.alice,
        "mallory": people.mallory,
        **{
            role: act_as(await make_member(engine, organization, role))
            for role in (Role.ADMIN, Role.ANALYST, Role.MEMBER, Role.VIEWER)
        },
    }
    questions: list[dict[str, Any]] = [{}, {"limit": 3}, {"sort": "-amount"}]
    answers: dict[tuple[str, int], httpx.Response] = {}
    for number, question in enumerate(questions):
        for name, client in callers.items():
            executions.clear()
            answers[name, number] = await client.get(QUERY, params=question)
            assert len(executions) == 1, name
    for number, question in enumerate(questions):
        for name, client in callers.items():
            executions.clear()
            again = await client.get(QUERY, params=question)
            assert executions == []
            assert again.content == answers[name, number].content
    for one, other in combinations(answers, 2):
        assert answers[one].headers["etag"] != answers[other].headers["etag"]


async def test_answers_go_with_their_generation(people: People, settings: Settings) -> None:
    """Else what was erased would live on in memory."""
    assert (await get(people.alice, QUERY))["rows"]
    ids = {
        ACME: people.scopes["bob"].organization_id,
        BOB: people.scopes["bob"].user_id,
        ALICE: people.scopes["alice"].user_id,
    }
    publish_hand_made(settings.warehouse_dir, rows_of(ids), now=NOON + timedelta(days=9_000))
    newer = await get(people.alice, QUERY)
    assert newer["generation"] != people.generation
    assert newer["rows"]


async def test_files_say_where_they_come_from(people: People) -> None:
    for format_, media_type in (
        ("csv", "text/csv"),
        ("ndjson", "application/x-ndjson"),
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("parquet", "application/vnd.apache.parquet"),
    ):
        by_name = await people.alice.get(QUERY, params={"format": format_})
        by_accept = await people.alice.post(QUERY, json={}, headers={"Accept": media_type})
        for response in (by_name, by_accept):
            assert response.status_code == 200
            assert response.headers["content-type"].startswith(media_type)
            assert response.headers["outlay-generation"] == people.generation
            assert response.headers["outlay-stale"] == "false"
            assert response.headers["outlay-as-of"].endswith("Z")
            name = response.headers["content-disposition"]
            assert name.startswith('attachment; filename="fct_transactions-20')
            assert name.endswith(f'.{format_}"')
        assert by_name.headers["etag"] == by_accept.headers["etag"]
        assert by_name.content == by_accept.content
        has = {"If-None-Match": by_name.headers["etag"]}
        again = await people.alice.get(QUERY, params={"format": format_}, headers=has)
        assert (again.status_code, again.content) == (304, b"")


async def test_a_file_has_all_rows_or_as_many_as_asked_for(
    people: People, settings: Settings
) -> None:
    bob = people.scopes["bob"]
    rows = rows_of({ACME: bob.organization_id, BOB: bob.user_id})
    double = "INSERT INTO marts.fct_transactions SELECT * FROM marts.fct_transactions"
    publish_hand_made(settings.warehouse_dir, rows, statements=[double] * 11)

    async def lines(**parameters: Any) -> int:
        response = await people.bob.get(QUERY, params={"format": "ndjson", **parameters})
        return response.text.count("\n")

    assert await lines() == 10 * 2**11
    assert await lines(limit=7) == 7
    assert await lines(limit=1_000) == 1_000
    assert await lines(offset=10 * 2**11 - 3) == 3
    assert await tag(people.bob, format="ndjson") != await tag(
        people.bob, format="ndjson", limit=1_000
    )
    cursor = (await get(people.bob, QUERY, limit=10_000))["next_cursor"]
    assert await lines(cursor=cursor) == 10 * 2**11 - 10_000


async def test_formats_that_there_are_not(people: People) -> None:
    refused = await people.bob.get(QUERY, params={"format": "xlsx"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "format")
    refused = await people.bob.post(QUERY, json={}, headers={"Accept": "image/png"})
    assert refused.status_code == 406
    assert "text/csv" in refused.json()["detail"]
    for wrong in ({"format": "csv", "fields": "nope"}, {"format": "parquet", "tag_ids": str(ACME)}):
        refused = await people.bob.get(QUERY, params=wrong)
        assert refused.status_code in {404, 422}
        assert refused.headers["content-type"] == "application/problem+json"
