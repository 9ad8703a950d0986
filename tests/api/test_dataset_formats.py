"""The rows of a dataset in every format: the same rows, to the same people, as files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role
from backend.settings import Settings
from backend.warehouse.formats import Format
from tests.api.conftest import ActAs
from tests.api.marts import DATASETS, QUERY, People
from tests.api.problem import assert_problem
from tests.factories import make_member
from tests.warehouse.files import FILES, as_json, as_text, read
from tests.warehouse.hand_made import ACME, ALICE, BOB, EVES, publish_hand_made, rows_of

GROUPS = {"dimensions": [{"column": "vendor"}], "measures": ["total", "average"]}
MEDIA_TYPES = {
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def rows_in(answer: httpx.Response, format_: Format) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPES[format_]
    rows = read(format_, answer.content)
    return rows if format_ in {Format.NDJSON, Format.CSV} else as_json(rows)


@pytest.mark.parametrize("format_", FILES)
async def test_a_file_has_the_rows_of_the_page(format_: Format, people: People) -> None:
    for path, body in ((QUERY, {}), (QUERY, GROUPS), (f"{DATASETS}/dim_date/query", {})):
        page = (await people.bob.post(path, json=body)).json()["rows"]
        assert page
        expected = as_text(page) if format_ is Format.CSV else page
        by_header = await people.bob.post(path, json=body, headers={"Accept": MEDIA_TYPES[format_]})
        assert rows_in(by_header, format_) == expected
        by_parameter = await people.bob.post(path, json=body, params={"format": str(format_)})
        assert rows_in(by_parameter, format_) == expected


@pytest.mark.parametrize("format_", FILES)
async def test_a_browser_saves_it_under_a_name(format_: Format, people: People) -> None:
    answer = await people.bob.get(QUERY, params={"format": str(format_)})
    today = datetime.now(UTC).date()
    name = f"fct_transactions-{today}.{format_}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Outlay-Generation"] == people.generation
    assert "Accept" in answer.headers["Vary"]
    again = await people.bob.get(
        QUERY, params={"format": str(format_)}, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_formats_have_etags_of_their_own(people: People) -> None:
    answers = [await people.bob.get(QUERY, params={"format": str(f)}) for f in Format]
    assert len({answer.headers["ETag"] for answer in answers}) == len(Format)


@pytest.mark.parametrize("format_", FILES)
async def test_nothing_found_is_a_valid_file(format_: Format, people: People) -> None:
    parameters = {"format": str(format_), "vendor[eq]": "nobody"}
    assert rows_in(await people.bob.get(QUERY, params=parameters), format_) == []


@pytest.mark.parametrize("format_", FILES)
async def test_a_file_goes_on_to_the_end_unless_a_limit_is_asked_for(
    format_: Format, people: People, settings: Settings
) -> None:
    many = 1_500  # more than a page has by default
    bob = people.scopes["bob"]
    statement = (
        "INSERT INTO marts.fct_transactions BY NAME SELECT "
        f"UUID '{bob.organization_id}' AS organization_id, UUID '{bob.user_id}' AS owner_id, "
        f"'V' || range AS vendor FROM range({many})"
    )
    publish_hand_made(settings.warehouse_dir, {}, now=datetime.now(UTC), statements=[statement])
    everything = await people.bob.get(QUERY, params={"format": str(format_)})
    assert len(rows_in(everything, format_)) == many
    some = await people.bob.get(QUERY, params={"format": str(format_), "limit": "7"})
    assert len(rows_in(some, format_)) == 7


async def test_without_a_wish_it_is_json(people: People) -> None:
    for accept in ("*/*", "application/json", "text/html, */*;q=0.1"):
        answer = await people.bob.get(QUERY, headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_we_do_not_have_is_refused(method: str, people: People) -> None:
    body = None if method == "GET" else GROUPS
    answer = await people.bob.request(method, QUERY, json=body, headers={"Accept": "image/png"})
    detail = assert_problem(answer, 406, "not-acceptable")
    assert all(format_.media_type in detail for format_ in Format)
    answer = await people.bob.request(method, QUERY, json=body, params={"format": "parket"})
    assert_problem(answer, 422, "invalid-input", "format")
    assert answer.json()["errors"][0]["detail"] == "Did you mean 'parquet'?"


@pytest.mark.parametrize("format_", FILES)
async def test_what_is_wrong_with_a_query_is_a_problem_in_any_format(
    format_: Format, people: People
) -> None:
    for name, value in (("nonsense[eq]", "1"), ("limit", "0"), ("cursor", "made-up")):
        answer = await people.bob.get(QUERY, params={"format": str(format_), name: value})
        assert_problem(answer, 422, "invalid-input", name)
    answer = await people.bob.get(QUERY, params={"format": str(format_), "account_ids": str(EVES)})
    assert_problem(answer, 404, "not-found", "account_ids")


@pytest.mark.parametrize("format_", Format)
async def test_nobody_finds_rows_of_others_in_any_format(
    format_: Format, people: People, engine: AsyncEngine, act_as: ActAs
) -> None:
    viewer = act_as(await make_member(engine, people.scopes["bob"].organization_id, Role.VIEWER))
    parameters = {"format": str(format_)}
    if format_ is Format.JSON:
        counts = [
            len((await c.get(QUERY, params=parameters)).json()["rows"])
            for c in (people.bob, people.alice, people.mallory, viewer)
        ]
        assert counts == [10, 5, 0, 0]
        return
    found = {
        name: rows_in(await client.get(QUERY, params=parameters), format_)
        for name, client in {
            "bob": people.bob, "alice": people.alice, "mallory": people.mallory, "viewer": viewer
        }.items()
    }  # fmt: skip
    assert {name: len(rows) for name, rows in found.items()} == {
        "bob": 10, "alice": 5, "mallory": 0, "viewer": 0
    }  # fmt: skip
    assert {row["owner_id"] for row in found["alice"]} == {str(people.scopes["alice"].user_id)}
    assert {row["organization_id"] for row in found["bob"]} == {
        str(people.scopes["bob"].organization_id)
    }


async def test_formulas_of_others_do_not_run_in_ones_spreadsheet(
    people: People, settings: Settings
) -> None:
    scopes = people.scopes
    rows = rows_of({
        ACME: scopes["bob"].organization_id,
        BOB: scopes["bob"].user_id,
        ALICE: scopes["alice"].user_id,
    })  # fmt: skip
    hostile = [
        "UPDATE marts.fct_transactions SET vendor = '=HYPERLINK(\"http://evil\")', amount = -1",
        "UPDATE marts.dim_accounts SET name = chr(9) || '@SUM(A1)'",
    ]
    publish_hand_made(settings.warehouse_dir, rows, now=datetime.now(UTC), statements=hostile)
    parameters = {"format": "csv", "fields": "vendor,amount,account.name"}
    answer = await people.bob.get(QUERY, params=parameters)
    header, first, *_ = answer.text.split("\r\n")
    assert header == '"vendor","amount","account.name"'
    assert first == '"\'=HYPERLINK(""http://evil"")",-1.0000,"\'\t@SUM(A1)"'
    unescaped = await people.bob.get(QUERY, params=parameters | {"format": "ndjson"})
    assert read(Format.NDJSON, unescaped.content)[0]["vendor"] == '=HYPERLINK("http://evil")'
