"""Saved queries: whose they are, that they can be asked, and what they say when they cannot."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.analytics.models import SavedQuery
from backend.db.engine import organization_session
from backend.identity.models import Member
from backend.scope import Scope
from backend.settings import Settings
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.household import TOTAL, Household, open_household
from tests.api.problem import assert_problem

PATH = "/api/analytics/saved-queries"


@pytest.fixture
async def house(settings: Settings, engine: AsyncEngine) -> Household:
    return await open_household(settings, engine)


async def save(client: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    body = {"name": f"Query {uuid4().hex}", "spec": TOTAL} | values
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{PATH}/{saved['id']}"
    return saved


async def run(client: httpx.AsyncClient, query: dict[str, Any], **given: Any) -> httpx.Response:
    return await client.post(f"{PATH}/{query['id']}/run", json=given)


async def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_a_query_is_kept_as_it_was_sent(
    act_as: ActAs, engine: AsyncEngine, house: Household
) -> None:
    house.publish()
    client = act_as(house.ann)
    spec = {
        "dataset": "fct_transactions",
        "dimensions": [{"column": "booking_date", "grain": "month"}],
        "measures": ["total"],
        "filters": [
            {
                "or": [
                    {"field": "amount", "op": "gte", "value": "1.50"},
                    {"field": "vendor", "op": "in", "value": ["Ada", "Émile"]},
                ]
            },
            {"field": "booking_date", "op": "during", "value": "last_12_months"},
        ],
    }
    saved = await save(client, name="By month", description="For the board", spec=spec)
    assert saved["spec"] == spec
    assert (saved["status"], saved["problems"]) == ("ok", [])
    assert saved["owner_id"] == str(house.ann.user_id)
    assert saved["shared"] is False

    read = await client.get(f"{PATH}/{saved['id']}")
    assert read.json() == saved
    assert read.headers["etag"] == f'"{saved["version"]}"'
    assert (await client.get(PATH)).json() == {"items": [saved], "next_cursor": None}


async def test_saving_leaves_an_audit_entry_and_a_repeated_key_saves_once(
    act_as: ActAs, engine: AsyncEngine, house: Household
) -> None:
    client = act_as(house.alice)
    tries = [
        await client.post(
            PATH, json={"name": "One", "spec": TOTAL}, headers={"Idempotency-Key": "one"}
        )
        for _ in range(2)
    ]
    assert [t.status_code for t in tries] == [201, 201]
    assert tries[0].json() == tries[1].json()
    [(entry, payload)] = await entries_of(engine, house.alice, tries[0])
    assert (entry.action, entry.object_type) == ("create", "saved_query")
    assert payload.after is not None
    assert payload.after["spec"] == TOTAL


async def test_without_a_generation_a_query_is_saved_and_said_to_be_unchecked(
    act_as: ActAs, house: Household
) -> None:
    client = act_as(house.alice)
    saved = await save(client, spec={"dataset": "whatever", "measures": ["anything"]})
    assert saved["status"] == "unchecked"
    assert_problem(await run(client, saved), 503, "unavailable")
    house.publish()
    read = (await client.get(f"{PATH}/{saved['id']}")).json()
    assert read["status"] == "broken"


@pytest.mark.parametrize(
    ("spec", "pointers", "told"),
    [
        (TOTAL | {"measures": ["totl"]}, ["#/spec/measures/0"], "'totl'"),
        (TOTAL | {"dataset": "fct_transaction"}, ["#/spec/dataset"], "Did you mean 'fct_trans"),
        (TOTAL | {"cursor": "x"}, ["#/spec/cursor"], "cursor"),
        (TOTAL | {"limit": 0}, ["#/spec/limit"], "not valid"),
        (TOTAL | {"as_of": "yesterday"}, ["#/spec/as_of"], "not valid"),
        ({"measures": ["total"]}, ["#/spec/dataset"], "not valid"),
        (
            TOTAL | {"filters": [{"field": "amout", "op": "gte", "value": 1}]},
            ["#/spec/filters/0/field"],
            "'amout'",
        ),
        (TOTAL | {"filters": [{"field": "vendor", "op": "eq", "value": "a\x00"}]}, None, "stored"),
    ],
)
async def test_what_cannot_be_asked_is_not_saved(
    act_as: ActAs, house: Household, spec: dict[str, Any], pointers: list[str] | None, told: str
) -> None:
    house.publish()
    client = act_as(house.bob)
    refused = await client.post(PATH, json={"name": "x", "spec": spec})
    assert told in assert_problem(refused, 422, "invalid-input", *(pointers or []))
    assert (await client.get(PATH)).json()["items"] == []
    saved = await save(client)
    changed = await client.patch(f"{PATH}/{saved['id']}", json={"spec": spec})
    assert told in assert_problem(changed, 422, "invalid-input", *(pointers or []))
    assert (await client.get(f"{PATH}/{saved['id']}")).json() == saved


async def test_names_are_ones_own_and_once_whatever_the_case(
    act_as: ActAs, house: Household
) -> None:
    ann, bob = act_as(house.ann), act_as(house.bob)
    first, second = await save(ann, name="Trains"), await save(ann, name="Buses", shared=True)
    taken = await ann.post(PATH, json={"name": "TRAINS", "spec": TOTAL})
    assert "of this name" in assert_problem(taken, 409, "conflict")
    renamed = await ann.patch(f"{PATH}/{second['id']}", json={"name": "trains"})
    assert_problem(renamed, 409, "conflict")
    await save(bob, name="Trains")
    same = await ann.patch(f"{PATH}/{first['id']}", json={"name": "trains"})
    assert same.json()["name"] == "trains"


async def test_a_private_query_is_nobody_elses_and_a_shared_one_everybodys(
    act_as: ActAs, house: Household
) -> None:
    alice = act_as(house.alice)
    private, shared = await save(alice, name="Mine"), await save(alice, name="Ours", shared=True)
    for scope, seen in (
        (house.bob, ["Ours"]),
        (house.ann, ["Ours"]),
        (house.vic, ["Ours"]),
        (house.mallory, []),
    ):
        client = act_as(scope)
        listed = (await client.get(PATH)).json()["items"]
        assert [item["name"] for item in listed] == seen
        for query in (private, shared):
            visible = query["name"] in seen
            for answer in (
                await client.get(f"{PATH}/{query['id']}"),
                await run(client, query),
            ):
                assert (answer.status_code != 404) is visible, answer.text
    unknown = await act_as(house.bob).get(f"{PATH}/{uuid4()}")
    hidden = await act_as(house.bob).get(f"{PATH}/{private['id']}")
    assert unknown.json()["detail"] == hidden.json()["detail"]


async def test_only_the_owner_changes_and_administrators_may_remove_what_is_shared(
    act_as: ActAs, house: Household
) -> None:
    alice, ann, bob = act_as(house.alice), act_as(house.ann), act_as(house.bob)
    shared = await save(alice, shared=True)
    place = f"{PATH}/{shared['id']}"
    for other in (ann, bob):
        assert_problem(await other.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await ann.delete(place), 403, "forbidden")
    assert (await bob.delete(place)).status_code == 204
    assert_problem(await alice.get(place), 404, "not-found")
    private = await save(alice)
    assert_problem(await bob.delete(f"{PATH}/{private['id']}"), 404, "not-found")
    assert (await alice.delete(f"{PATH}/{private['id']}")).status_code == 204


async def test_a_viewer_saves_nothing_and_runs_what_is_shared(
    act_as: ActAs, house: Household
) -> None:
    house.publish()
    vic = act_as(house.vic)
    assert_problem(await vic.post(PATH, json={"name": "x", "spec": TOTAL}), 403, "forbidden")
    shared = await save(act_as(house.bob), shared=True)
    assert await rows(await run(vic, shared)) == []


async def test_changes_name_the_version(act_as: ActAs, house: Household) -> None:
    client = act_as(house.ann)
    saved = await save(client)
    place = f"{PATH}/{saved['id']}"
    stale = {"If-Match": f'"{saved["version"]}"'}
    changed = await client.patch(place, json={"description": "New"}, headers=stale)
    assert changed.json()["description"] == "New"
    assert_problem(await client.delete(place, headers=stale), 412, "precondition-failed")
    emptied = await client.patch(place, json={"description": None})
    assert emptied.json()["description"] is None
    dry = await client.delete(place, params={"dry_run": "true"})
    assert dry.headers["outlay-dry-run"] == "true"
    assert (await client.get(place)).status_code == 200


async def test_a_list_is_by_name_in_pages_and_filtered(act_as: ActAs, house: Household) -> None:
    client = act_as(house.ann)
    for name, dataset in (("c", "dim_tags"), ("a", "fct_transactions"), ("b_", "dim_tags")):
        await save(client, name=name, spec={"dataset": dataset}, shared=name == "a")

    async def names(**params: Any) -> list[str]:
        return [i["name"] for i in (await client.get(PATH, params=params)).json()["items"]]

    assert await names() == ["a", "b_", "c"]
    assert await names(dataset="dim_tags") == ["b_", "c"]
    assert await names(q="_") == ["b_"]
    assert await names(shared=True) == ["a"]
    first = (await client.get(PATH, params={"limit": 2})).json()
    assert await names(cursor=first["next_cursor"]) == ["c"]
    assert_problem(await client.get(PATH, params={"owner": "me"}), 422, "invalid-input", "owner")


async def test_it_runs_with_the_rights_of_who_runs_it(act_as: ActAs, house: Household) -> None:
    house.publish()
    euros = TOTAL | {"filters": [{"field": "currency", "op": "eq", "value": "EUR"}]}
    shared = await save(act_as(house.bob), spec=euros, shared=True)
    for scope, total in ((house.bob, "40.0000"), (house.ann, "40.0000"), (house.alice, "10.0000")):
        [row] = await rows(await run(act_as(scope), shared))
        assert row["total"] == total


async def test_what_is_given_counts_this_once(act_as: ActAs, house: Household) -> None:
    before = house.publish()
    house.publish("UPDATE marts.fct_transactions SET vendor = 'Later'")
    client = act_as(house.alice)
    saved = await save(client, spec={"dataset": "fct_transactions", "fields": ["vendor"]})
    assert len(await rows(await run(client, saved))) == 5
    assert len(await rows(await client.post(f"{PATH}/{saved['id']}/run"))) == 5, "without a body"
    first = await run(client, saved, limit=3)
    assert len(await rows(first)) == 3
    rest = await run(client, saved, limit=3, cursor=first.json()["next_cursor"])
    assert len(await rows(rest)) == 2
    assert rest.json()["next_cursor"] is None
    assert len(await rows(await run(client, saved, offset=4))) == 1
    earlier = await run(client, saved, as_of=before.id)
    assert earlier.json()["generation"] == before.id
    assert {row["vendor"] for row in await rows(earlier)} != {"Later"}
    assert (await client.get(f"{PATH}/{saved['id']}")).json() == saved, "nothing was changed"


async def test_it_runs_in_every_format_to_the_last_row(act_as: ActAs, house: Household) -> None:
    house.publish()
    client = act_as(house.alice)
    saved = await save(client, spec={"dataset": "fct_transactions", "fields": ["vendor"]})
    place = f"{PATH}/{saved['id']}/run"
    lines = await client.post(place, params={"format": "csv"})
    assert lines.headers["content-type"].startswith("text/csv")
    assert len(lines.text.splitlines()) == 6
    limited = await client.post(
        place, json={"limit": 2}, headers={"Accept": "application/x-ndjson"}
    )
    assert len(limited.text.splitlines()) == 2
    refused = await client.post(place, headers={"Accept": "image/png"})
    assert_problem(refused, 406, "not-acceptable")


@pytest.mark.parametrize(
    ("given", "status", "slug", "pointer"),
    [
        ({"limit": 0}, 422, "invalid-input", "#/limit"),
        ({"limit": 10_001}, 422, "invalid-input", "#/limit"),
        ({"cursor": "made up"}, 422, "invalid-input", "#/cursor"),
        ({"as_of": "then"}, 422, "invalid-input", "#/as_of"),
        ({"as_of": "20200101T000000Z-00000000"}, 410, "gone", "#/as_of"),
        ({"measures": []}, 422, "invalid-input", "#/measures"),
    ],
)
async def test_what_cannot_be_given_is_refused(
    *, act_as: ActAs, house: Household, given: dict[str, Any], status: int, slug: str, pointer: str
) -> None:
    house.publish()
    client = act_as(house.alice)
    saved = await save(client)
    assert_problem(await run(client, saved, **given), status, slug, pointer)


async def _store(engine: AsyncEngine, scope: Scope, query: dict[str, Any], **values: Any) -> None:
    async with organization_session(engine, scope.organization_id) as session:
        await session.execute(
            update(SavedQuery).where(SavedQuery.id == UUID(query["id"])).values(**values)
        )


@pytest.mark.parametrize(
    ("values", "pointer", "told"),
    [
        ({"spec": TOTAL | {"dataset": "fct_transaction"}}, "#/dataset", "'fct_transactions'"),
        ({"spec": TOTAL | {"measures": ["totals"]}}, "#/measures/0", "Did you mean 'total'"),
        (
            {"spec": TOTAL | {"dimensions": [{"column": "vendr"}]}},
            "#/dimensions/0/column",
            "Did you mean 'vendor'",
        ),
        # As a contract of another day may have had them.
        ({"spec": TOTAL | {"pivot": True}}, "#/pivot", "no valid query any more"),
        ({"spec": TOTAL | {"fill": "linear"}}, "#/fill", "no valid query any more"),
        (
            {"spec": TOTAL | {"filters": [{"field": "vendor", "op": "like", "value": "x"}]}},
            "#/filters/0/op",
            "no valid query any more",
        ),
        ({"spec": {"from": "x"}}, "#/dataset", "no valid query any more"),
        ({"spec_version": 99}, "#", "later version of Outlay"),
    ],
)
async def test_what_broke_is_named_and_never_a_fault_of_ours(
    *,
    act_as: ActAs,
    engine: AsyncEngine,
    house: Household,
    values: dict[str, Any],
    pointer: str,
    told: str,
) -> None:
    """As when a dataset, a column, a measure or a version of the contract has gone."""
    house.publish()
    client = act_as(house.ann)
    saved = await save(client)
    await _store(engine, house.ann, saved, **values)
    read = (await client.get(f"{PATH}/{saved['id']}")).json()
    assert read["status"] == "broken"
    found = {p["pointer"]: p["detail"] for p in read["problems"]}
    assert told in found[pointer]
    [listed] = (await client.get(PATH)).json()["items"]
    assert listed["problems"] == read["problems"]

    answer = await run(client, saved)
    assert told in assert_problem(answer, 409, "conflict", *found)
    mended = await client.patch(f"{PATH}/{saved['id']}", json={"spec": TOTAL})
    assert mended.json()["status"] == "ok"
    assert (await run(client, saved)).status_code == 200


async def test_what_a_reader_may_not_use_is_told_to_that_reader(
    act_as: ActAs, house: Household
) -> None:
    house.publish()
    sorted_by_path = {"dataset": "dim_budgets", "order": [{"field": "path"}]}
    saved = await save(act_as(house.bob), spec=sorted_by_path, shared=True)
    alice = act_as(house.alice)
    read = (await alice.get(f"{PATH}/{saved['id']}")).json()
    assert read["status"] == "broken"
    assert "path" in read["problems"][0]["detail"]
    assert (await run(alice, saved)).status_code == 409
    assert (await run(act_as(house.bob), saved)).status_code == 200


async def test_who_leaves_takes_private_queries_along_and_leaves_the_shared(
    act_as: ActAs, engine: AsyncEngine, house: Household
) -> None:
    alice, bob = act_as(house.alice), act_as(house.bob)
    await save(alice, name="Mine")
    shared = await save(alice, name="Ours", shared=True)
    async with organization_session(engine, house.bob.organization_id) as session:
        await session.execute(delete(Member).where(Member.user_id == house.alice.user_id))
        assert (await session.scalars(select(SavedQuery.name))).all() == ["Ours"]
    left = (await bob.get(f"{PATH}/{shared['id']}")).json()
    assert (left["owner_id"], left["shared"]) == (None, True)
    assert (await bob.delete(f"{PATH}/{shared['id']}")).status_code == 204
