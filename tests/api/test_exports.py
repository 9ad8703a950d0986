"""Exports as their askers see them; the worker's part is run here without Dagster."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.deps import AppState
from backend.analytics.export_files import file_of
from backend.analytics.export_run import run_export
from backend.analytics.models import Export, ExportStatus
from backend.db.engine import organization_session
from backend.errors import Unavailable
from backend.identity.models import Member
from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.store import Warehouse
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.household import ROWS, TOTAL, Household, open_household
from tests.api.people import Clock
from tests.api.problem import assert_problem
from tests.factories import share_account

PATH = "/api/analytics/exports"


@dataclass
class Runs:
    """A launcher whose runs only move when a test moves them."""

    app: FastAPI
    settings: Settings
    asked: dict[UUID, tuple[UUID, UUID]] = field(default_factory=dict)  # by run
    states: dict[UUID, RunState] = field(default_factory=dict)
    terminated: list[UUID] = field(default_factory=list)
    connections_held: list[str] = field(default_factory=list)
    away: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def queued_refresh(self) -> UUID | None:
        return None

    async def launch_refresh(self) -> UUID:
        raise NotImplementedError

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        self._answer()
        self.asked[run_id := uuid4()] = (organization_id, export_id)
        self.states[run_id] = RunState(RefreshStatus.QUEUED)
        return run_id

    async def terminate(self, run_id: UUID) -> None:
        self._answer()
        self.terminated.append(run_id)

    async def run_state(self, run_id: UUID) -> RunState:
        self._answer()
        return self.states[run_id]

    async def healthy(self) -> bool:
        return not self.away

    async def aclose(self) -> None: ...

    async def work(self) -> None:
        """What Dagster would do with everything that is queued, in a process of its own: within
        one, DuckDB opens a file with one configuration only.
        """
        self.state.warehouse.close()
        for run_id, ids in self.asked.items():
            if self.states[run_id].status is RefreshStatus.QUEUED:
                await run_export(self.settings, *ids, run_id, self.state.clock)
                self.states[run_id] = RunState(RefreshStatus.SUCCEEDED)
        self.state = replace(self.state, warehouse=Warehouse(self.settings))

    @property
    def state(self) -> AppState:
        return cast("AppState", self.app.state.outlay)

    @state.setter
    def state(self, state: AppState) -> None:
        self.app.state.outlay = state

    def _answer(self) -> None:
        self.connections_held.append(self.state.engine.pool.status())
        if self.away:
            raise Unavailable("Dagster cannot be reached.")


@pytest.fixture
async def house(settings: Settings, engine: AsyncEngine) -> Household:
    made = await open_household(settings, engine)
    made.publish()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runs(app: FastAPI, settings: Settings, clock: Clock) -> Runs:
    runs = Runs(app, settings)
    runs.state = replace(runs.state, launcher=runs, clock=clock)
    return runs


async def ask(client: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"spec": TOTAL, "format": "csv"} | values)
    assert answer.status_code == 202, answer.text
    export: dict[str, Any] = answer.json()
    assert answer.headers["location"] == place(export)
    return export


def place(export: dict[str, Any]) -> str:
    return f"{PATH}/{export['id']}"


async def look(client: httpx.AsyncClient, export: dict[str, Any]) -> dict[str, Any]:
    answer = await client.get(place(export))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def done(client: httpx.AsyncClient, runs: Runs, **values: Any) -> dict[str, Any]:
    """An export whose file is there."""
    export = await ask(client, **values)
    await runs.work()
    found = await look(client, export)
    assert found["status"] == "succeeded", found
    return found


async def test_an_export_from_its_request_to_its_file(
    *, act_as: ActAs, engine: AsyncEngine, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    client = act_as(house.alice)
    answer = await client.post(PATH, json={"spec": ROWS, "format": "csv", "file_name": "Märkte; 1"})
    export = answer.json()
    assert export["status"] == "queued"
    assert export["file_name"] == "Märkte; 1.csv"
    assert export["spec"] == ROWS
    assert export["download_url"] is export["generation"] is None
    assert export["progress"] == {"rows_written": 0, "rows_total": None, "bytes": 0}
    [(organization, asked)] = runs.asked.values()
    assert (organization, str(asked)) == (house.alice.organization_id, export["id"])
    assert all("Checked out connections: 0" in held for held in runs.connections_held)
    [(entry, payload)] = await entries_of(engine, house.alice, answer)
    assert (entry.action, entry.object_type) == ("create", "export")
    assert payload.after is not None

    await runs.work()
    found = await look(client, export)
    assert found["status"] == "succeeded"
    assert found["reason"] is found["note"] is None
    assert found["generation"] == house.current
    assert found["progress"]["rows_written"] == found["progress"]["rows_total"] == 5

    fetched = await stranger.get(found["download_url"])
    assert fetched.status_code == 200
    assert len(fetched.content) == found["progress"]["bytes"]
    assert len(list(csv.DictReader(io.StringIO(fetched.text)))) == 5
    headers = fetched.headers
    assert headers["content-type"].startswith("text/csv; charset=utf-8")
    assert headers["content-disposition"] == "attachment; filename*=utf-8''M%C3%A4rkte%3B%201.csv"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert (await client.get(PATH)).json()["items"] == [found | {"download_url": None}]


async def test_a_file_can_be_fetched_in_parts(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    export = await done(act_as(house.ann), runs, spec=ROWS, format="ndjson")
    whole = await stranger.get(export["download_url"])
    size = len(whole.content)
    part = await stranger.get(
        export["download_url"], headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]}
    )
    assert part.status_code == 206
    assert part.content == whole.content[10:]
    assert part.headers["content-range"] == f"bytes 10-{size - 1}/{size}"
    assert part.headers["etag"] == whole.headers["etag"]


async def test_parts_that_there_are_not(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    export = await done(act_as(house.ann), runs, spec=ROWS, format="ndjson")
    url = export["download_url"]
    beyond = await stranger.get(url, headers={"Range": "bytes=999999-"})
    assert_problem(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{export['progress']['bytes']}"
    for of_nothing in ("lines=1-2", "bytes", "bytes=5-2", "bytes=x"):  # as if it were not there
        assert (await stranger.get(url, headers={"Range": of_nothing})).status_code == 200


async def test_a_saved_query_is_exported_with_the_rights_of_who_asks(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    saved = await act_as(house.bob).post(
        "/api/analytics/saved-queries", json={"name": "All", "spec": ROWS, "shared": True}
    )
    body = {"spec": None, "saved_query_id": saved.json()["id"], "format": "ndjson"}
    for scope, count in ((house.bob, 10), (house.alice, 5)):
        export = await done(act_as(scope), runs, **body)
        assert export["spec"] == ROWS
        fetched = await stranger.get(export["download_url"])
        assert len(fetched.text.splitlines()) == count


async def test_a_limit_that_is_asked_for_holds(act_as: ActAs, house: Household, runs: Runs) -> None:
    export = await done(act_as(house.ann), runs, spec=ROWS | {"limit": 3, "offset": 1})
    assert export["progress"]["rows_written"] == 3


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"spec": TOTAL | {"measures": ["totl"]}}, ["#/spec/measures/0"]),
        ({"spec": TOTAL | {"dataset": "nothing"}}, ["#/spec/dataset"]),
        ({"spec": TOTAL | {"cursor": "x"}}, ["#/spec/cursor"]),
        ({"spec": None}, ["#/spec"]),
        ({"saved_query_id": str(uuid4())}, ["#/spec"]),
        ({"spec": None, "saved_query_id": str(uuid4())}, ["#/saved_query_id"]),
        ({"format": "json"}, ["#/format"]),
        ({"format": "xlsx"}, ["#/format"]),
        ({"file_name": "../../etc/passwd"}, ["#/file_name"]),
        ({"file_name": "a\nb"}, ["#/file_name"]),
    ],
)
async def test_what_cannot_be_exported_is_refused_before_anything_starts(
    act_as: ActAs, house: Household, runs: Runs, values: dict[str, Any], pointers: list[str]
) -> None:
    client = act_as(house.ann)
    answer = await client.post(PATH, json={"spec": TOTAL, "format": "csv"} | values)
    assert_problem(answer, 422, "invalid-input", *pointers)
    assert runs.asked == {}
    assert (await client.get(PATH)).json()["items"] == []


async def test_who_may_ask(act_as: ActAs, house: Household, runs: Runs) -> None:
    body = {"spec": TOTAL, "format": "csv"}
    assert_problem(await act_as(house.vic).post(PATH, json=body), 403, "forbidden")
    private = await act_as(house.bob).post(
        "/api/analytics/saved-queries", json={"name": "Private", "spec": TOTAL}
    )
    other = {"saved_query_id": private.json()["id"], "format": "csv"}
    refused = await act_as(house.alice).post(PATH, json=other)
    assert_problem(refused, 422, "invalid-input", "#/saved_query_id")


async def test_a_broken_saved_query_is_not_exported(
    act_as: ActAs, house: Household, runs: Runs, engine: AsyncEngine
) -> None:
    client = act_as(house.ann)
    saved = await client.post("/api/analytics/saved-queries", json={"name": "x", "spec": TOTAL})
    async with organization_session(engine, house.ann.organization_id) as session:
        await session.execute(
            text("""UPDATE saved_queries SET spec = '{"dataset": "fct_x", "measures": ["y"]}'""")
        )
    body = {"saved_query_id": saved.json()["id"], "format": "csv"}
    answer = await client.post(PATH, json=body)
    assert "fct_x" in assert_problem(answer, 409, "conflict", "#/dataset")


async def test_without_dagster_nothing_was_asked_for(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    runs.away = True
    client = act_as(house.ann)
    answer = await client.post(PATH, json={"spec": TOTAL, "format": "csv"})
    assert_problem(answer, 503, "unavailable")
    assert (await client.get(PATH)).json()["items"] == []


async def test_a_key_asks_once_and_a_launch_cannot_be_tried_dry(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    client = act_as(house.ann)
    body = {"spec": TOTAL, "format": "csv"}
    tries = [await client.post(PATH, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert tries[0].json() == tries[1].json()
    assert len(runs.asked) == 1
    dry = await client.post(PATH, json=body, params={"dry_run": "true"})
    assert_problem(dry, 422, "invalid-input", "dry_run")


async def test_one_person_has_so_many_under_way_and_dead_workers_do_not_count(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    client = act_as(house.ann)
    for _ in range(runs.settings.exports_per_user):
        await ask(client)
    tries = [client.post(PATH, json={"spec": TOTAL, "format": "csv"}) for _ in range(3)]
    for answer in await asyncio.gather(*tries):
        assert "cancel one" in assert_problem(answer, 429, "too-many-requests")
        assert int(answer.headers["retry-after"]) > 0
    await ask(act_as(house.bob))  # others have their own
    died = next(iter(runs.states))
    runs.states[died] = RunState(RefreshStatus.FAILED)
    await ask(client)


async def test_one_person_keeps_so_many_bytes(
    act_as: ActAs, house: Household, runs: Runs, clock: Clock
) -> None:
    settings = runs.settings.model_copy(update={"export_bytes_per_user": 1})
    runs.state = replace(runs.state, settings=settings)
    client = act_as(house.ann)
    first = await ask(client)
    await runs.work()
    answer = await client.post(PATH, json={"spec": TOTAL, "format": "csv"})
    assert "Remove one" in assert_problem(answer, 429, "too-many-requests")
    await ask(act_as(house.bob))  # others have their own
    clock.now += timedelta(days=1)
    await ask(client)  # the file is gone by then
    clock.now -= timedelta(days=1)
    await client.delete(f"{PATH}/{first['id']}")
    await ask(client)


async def test_asking_at_once_does_not_get_around_the_limit(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    client = act_as(house.ann)
    body = {"spec": TOTAL, "format": "csv"}
    answers = await asyncio.gather(*(client.post(PATH, json=body) for _ in range(8)))
    accepted = [a for a in answers if a.status_code == 202]
    assert len(accepted) == runs.settings.exports_per_user
    assert {a.status_code for a in answers} == {202, 429}


@pytest.mark.parametrize(
    ("state", "status", "told"),
    [
        (RefreshStatus.FAILED, "failed", "worker ended"),
        (RefreshStatus.SUCCEEDED, "failed", "worker ended"),
        (RefreshStatus.CANCELLED, "cancelled", "operator"),
        (RefreshStatus.RUNNING, "running", None),
    ],
)
async def test_of_a_worker_that_died_it_is_not_said_that_it_goes_on(
    *,
    act_as: ActAs,
    house: Household,
    runs: Runs,
    engine: AsyncEngine,
    state: RefreshStatus,
    status: str,
    told: str | None,
) -> None:
    client = act_as(house.ann)
    export = await ask(client)
    async with organization_session(engine, house.ann.organization_id) as session:
        await session.execute(update(Export).values(status=ExportStatus.RUNNING))
    [run_id] = runs.asked
    runs.states[run_id] = RunState(state)
    found = await look(client, export)
    assert found["status"] == status
    assert (told or "") in (found["reason"] or "")
    assert (found["finished_at"] is None) is (status == "running")


async def test_with_dagster_away_the_last_known_state_is_told(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    client = act_as(house.ann)
    export = await ask(client)
    runs.away = True
    found = await look(client, export)
    assert found["status"] == "queued"
    assert "last known state" in found["note"]


async def test_one_that_was_never_launched_ends_too(
    act_as: ActAs, house: Household, runs: Runs, engine: AsyncEngine, clock: Clock
) -> None:
    """As when the API was killed between its record and its call to Dagster."""
    client = act_as(house.ann)
    export = await ask(client)
    async with organization_session(engine, house.ann.organization_id) as session:
        await session.execute(update(Export).values(run_id=None))
    assert (await look(client, export))["status"] == "queued"
    clock.now += timedelta(minutes=3)
    found = await look(client, export)
    assert (found["status"], found["reason"][:21]) == ("failed", "It could not be start")


async def test_cancelling_ends_the_run_and_then_the_record(
    act_as: ActAs, house: Household, runs: Runs, engine: AsyncEngine
) -> None:
    client = act_as(house.ann)
    export = await ask(client)
    dry = await client.delete(place(export), params={"dry_run": "true"})
    assert dry.status_code == 204
    assert runs.terminated == []
    assert (await look(client, export))["status"] == "queued"

    answer = await client.delete(place(export))
    assert answer.status_code == 204
    assert runs.terminated == [*runs.asked]
    [(entry, _)] = await entries_of(engine, house.ann, answer)
    assert entry.action == "cancel"
    found = await look(client, export)
    assert (found["status"], found["reason"]) == ("cancelled", "You cancelled it.")
    await runs.work()  # Dagster may take it up nevertheless
    assert (await look(client, export))["status"] == "cancelled"
    assert not file(runs, house.ann, export).exists()

    assert (await client.delete(place(export))).status_code == 204
    assert_problem(await client.get(place(export)), 404, "not-found")


async def test_cancelling_needs_no_dagster(act_as: ActAs, house: Household, runs: Runs) -> None:
    client = act_as(house.ann)
    export = await ask(client)
    runs.away = True
    assert (await client.delete(place(export))).status_code == 204
    assert (await look(client, export))["status"] == "cancelled"


def file(runs: Runs, scope: Scope, export: dict[str, Any]) -> Any:
    return file_of(runs.settings.exports_dir, scope.organization_id, UUID(export["id"]))


async def test_deleting_takes_the_file_along_and_ends_its_links(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    client = act_as(house.ann)
    export = await done(client, runs)
    assert file(runs, house.ann, export).exists()
    assert (await client.delete(place(export))).status_code == 204
    assert not file(runs, house.ann, export).exists()
    assert_problem(await stranger.get(export["download_url"]), 404, "not-found")


async def test_exports_are_seen_by_their_askers_only(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    export = await done(act_as(house.alice), runs)
    unknown = {"id": str(uuid4())}
    for scope in (house.bob, house.ann, house.vic, house.mallory):
        client = act_as(scope)
        assert (await client.get(PATH)).json()["items"] == []
        for which in (export, unknown):
            assert_problem(await client.get(place(which)), 404, "not-found")
            assert_problem(await client.delete(place(which)), 404, "not-found")


async def test_a_list_is_in_pages_the_newest_first(
    act_as: ActAs, house: Household, runs: Runs
) -> None:
    client = act_as(house.ann)
    made = [(await done(client, runs))["id"] for _ in range(3)]
    queued = (await ask(client))["id"]
    first = (await client.get(PATH, params={"limit": 2})).json()
    rest = (await client.get(PATH, params={"cursor": first["next_cursor"]})).json()
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert ids == [queued, *reversed(made)]
    waiting = (await client.get(PATH, params={"status": "queued"})).json()["items"]
    assert [item["id"] for item in waiting] == [queued]


async def test_a_link_opens_nothing_else_and_nothing_for_longer(
    *,
    act_as: ActAs,
    house: Household,
    runs: Runs,
    stranger: httpx.AsyncClient,
    clock: Clock,
) -> None:
    client = act_as(house.ann)
    export, other = await done(client, runs), await done(client, runs)
    foreign = await done(act_as(house.alice), runs)
    query = {k: v for k, [v] in parse_qs(urlsplit(export["download_url"]).query).items()}

    async def refused(which: dict[str, Any], **changes: str) -> str:
        answer = await stranger.get(f"{place(which)}/download", params=query | changes)
        return assert_problem(answer, 403, "forbidden")

    for which in (other, foreign, {"id": str(uuid4())}):
        assert "not valid" in await refused(which)
    later = str(int(query["expires"]) + 3600)
    assert "not valid" in await refused(export, expires=later)
    assert "not valid" in await refused(export, signature=query["signature"][:-1])
    assert "not valid" in await refused(export, expires="never")
    missing = await stranger.get(f"{place(export)}/download")
    assert_problem(missing, 422, "invalid-input", "expires", "signature")
    bearer = await client.get(f"{place(export)}/download", params=query | {"signature": "x"})
    assert bearer.status_code == 403, "a token opens nothing here"

    assert (await stranger.get(export["download_url"])).status_code == 200
    clock.now += timedelta(seconds=runs.settings.export_link_ttl_seconds + 1)
    assert "has expired" in await refused(export)
    renewed = await look(client, export)
    assert (await stranger.get(renewed["download_url"])).status_code == 200


async def test_after_a_day_the_file_is_gone(
    *,
    act_as: ActAs,
    house: Household,
    runs: Runs,
    stranger: httpx.AsyncClient,
    clock: Clock,
    engine: AsyncEngine,
) -> None:
    client = act_as(house.ann)
    export = await done(client, runs)
    clock.now += timedelta(hours=23, minutes=55)
    last = (await look(client, export))["download_url"]
    clock.now += timedelta(minutes=4)
    assert (await stranger.get(last)).status_code == 200
    clock.now += timedelta(minutes=2)
    assert "has expired" in assert_problem(await stranger.get(last), 403, "forbidden")
    found = await look(client, export)
    assert (found["status"], found["download_url"]) == ("expired", None)


async def test_a_link_to_a_file_that_is_lost_says_so(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient
) -> None:
    export = await done(act_as(house.ann), runs)
    file(runs, house.ann, export).unlink()
    assert_problem(await stranger.get(export["download_url"]), 410, "gone")


async def test_who_has_left_fetches_nothing(
    act_as: ActAs, house: Household, runs: Runs, stranger: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    export = await done(act_as(house.alice), runs)
    async with organization_session(engine, house.bob.organization_id) as session:
        await session.execute(delete(Member).where(Member.user_id == house.alice.user_id))
    assert_problem(await stranger.get(export["download_url"]), 404, "not-found")


async def test_who_may_see_less_fetches_nothing_that_was_made_before(
    *,
    act_as: ActAs,
    house: Household,
    runs: Runs,
    stranger: httpx.AsyncClient,
    engine: AsyncEngine,
) -> None:
    async with organization_session(engine, house.bob.organization_id) as session:
        await share_account(session, house.bobs_account, house.alice.user_id)
    alice = act_as(house.alice)
    export = await done(alice, runs, spec=ROWS, format="ndjson")
    assert export["progress"]["rows_written"] == 10
    async with organization_session(engine, house.bob.organization_id) as session:
        await session.execute(text("DELETE FROM account_shares"))
    refused = await stranger.get(export["download_url"])
    assert "not shared" in assert_problem(refused, 403, "forbidden")
    async with asyncio.timeout(4):  # the word of it travels through PostgreSQL
        while (await look(alice, export))["download_url"] is not None:
            pass
