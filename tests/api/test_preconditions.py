from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.books import Books, post
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem

RESOURCES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/api/accounts": ({"name": "Card", "type": "card", "currency": "EUR"}, {"name": "Old card"}),
    "/api/tags": ({"name": "Travel"}, {"colour": "#00ff00"}),
    "/api/categories": ({"name": "Food"}, {"icon": "fork"}),
    "/api/transactions": ({}, {"vendor": "Café"}),
    "/api/budgets": (
        {
            "name": "Marketing",
            "level": "team",
            "type": "annual",
            "amount": "1000",
            "currency": "EUR",
            "starts_on": "2025-01-01",
            "ends_on": "2025-12-31",
        },
        {"amount": "900"},
    ),
}


async def make(client: httpx.AsyncClient, books: Books, path: str) -> httpx.Response:
    body = books.expense() if path == "/api/transactions" else RESOURCES[path][0]
    made = await client.post(path, json=body)
    assert made.status_code == 201, made.text
    return made


@pytest.mark.parametrize("path", RESOURCES)
async def test_an_update_names_the_version_it_changes(
    act_as: ActAs, books: Books, path: str
) -> None:
    client = act_as(books.scope)
    made = await make(client, books, path)
    place, change = made.headers["location"], RESOURCES[path][1]
    first = made.headers["etag"]
    assert first == f'"{made.json()["version"]}"'
    assert (await client.get(place)).headers["etag"] == first
    listed = (await client.get(path)).json()["items"]
    assert made.json()["version"] in {item["version"] for item in listed}

    del client.headers["If-Match"]
    for unconditional in (await client.patch(place, json=change), await client.delete(place)):
        assert_problem(unconditional, 428, "precondition-required")

    changed = await client.patch(place, json=change, headers={"If-Match": first})
    assert changed.status_code == 200
    second = changed.headers["etag"]
    assert second != first
    assert (await client.get(place)).headers["etag"] == second

    for late in (
        await client.patch(place, json=change, headers={"If-Match": first}),
        await client.delete(place, headers={"If-Match": first}),
    ):
        assert_problem(late, 412, "precondition-failed")
    assert (await client.get(place)).json() == changed.json()
    either = {"If-Match": f"{first}, {second}"}
    assert (await client.delete(place, headers=either)).status_code == 204


async def test_of_two_updates_at_once_one_is_lost_and_told_so(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    made = await make(client, books, "/api/transactions")
    place, seen = made.headers["location"], {"If-Match": made.headers["etag"]}
    answers = await asyncio.gather(
        *(client.patch(place, json={"vendor": f"Café {n}"}, headers=seen) for n in range(8))
    )
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 412}
    assert (await client.get(place)).json() == won[0].json()


async def test_tags_and_splits_are_part_of_a_transactions_version(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    booked = await post(client, books.expense(tag_ids=[str(books.tag.id)]))
    place = f"/api/transactions/{booked['id']}"
    versions = [booked["version"]]
    mine = {"tag_ids": [str(books.tag.id)]}
    for change in ({"splits": [{"amount": "12.50"}]}, {"tag_ids": []}, mine):
        changed = await client.patch(place, json=change)
        versions += [changed.json()["version"]]
    assert (await client.delete(f"/api/tags/{books.tag.id}")).status_code == 204
    versions += [(await client.get(place)).json()["version"]]
    assert len(set(versions)) == len(versions)


@pytest.mark.parametrize("bad", ["", "abc", '"abc', '"a" "b"', '*, "a"', "W/abc", '"a",'])
async def test_what_is_no_entity_tag_is_refused(act_as: ActAs, books: Books, bad: str) -> None:
    answer = await act_as(books.scope).patch(
        f"/api/tags/{books.tag.id}", json={"name": "x"}, headers={"If-Match": bad}
    )
    assert_problem(answer, 422, "invalid-input", "If-Match")


async def test_a_weak_tag_never_matches(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    place = f"/api/tags/{books.tag.id}"
    weak = "W/" + (await client.get(place)).headers["etag"]
    answer = await client.patch(place, json={"name": "x"}, headers={"If-Match": weak})
    assert_problem(answer, 412, "precondition-failed")


async def test_two_rows_of_one_transaction_have_versions_of_their_own(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    tag = await client.get(f"/api/tags/{books.tag.id}")
    category = await client.get(f"/api/categories/{books.category.id}")
    assert tag.headers["etag"] != category.headers["etag"]


async def test_a_stranger_learns_nothing_from_a_precondition(
    stranger: httpx.AsyncClient, books: Books
) -> None:
    answer = await stranger.patch(f"/api/tags/{books.tag.id}", json={"name": "x"})
    assert_problem(answer, 401, "unauthenticated")
