"""When the sensor refreshes by itself, and what it takes for a change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.db.engine import organization_session
from backend.ledger.models import Tag
from backend.settings import Settings
from orchestration.changes import Pace, Refreshes, Source, Watch, decide, observe
from tests.factories import add_tag, make_organization

PACE = Pace(settle=15, min_interval=60, max_wait=900)
IDLE = Refreshes(published="one", active=False, last_failed=False)


class Clock:
    """A sensor that ticks every five seconds; every answer is whether it refreshed."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.watch = Watch()
        self.reason = ""

    def tick(self, written: str, refreshes: Refreshes = IDLE, *, populated: bool = True) -> bool:
        self.now += 5
        source = Source(written, has_organizations=populated)
        decision = decide(self.watch, source, refreshes, PACE, self.now)
        self.watch = Watch.load(decision.watch.model_dump_json())
        self.reason = decision.reason
        return decision.refresh

    def ticks(self, count: int, written: str, refreshes: Refreshes = IDLE) -> list[bool]:
        return [self.tick(written, refreshes) for _ in range(count)]


def test_nothing_happens_while_nothing_is_written() -> None:
    clock = Clock()

    assert not any(clock.ticks(1000, "one"))
    assert clock.reason == "The current generation has all that was written."


def test_a_change_is_refreshed_once_it_has_settled() -> None:
    clock = Clock()
    clock.tick("one")

    assert clock.ticks(4, "two") == [False, False, False, True]
    assert not any(clock.ticks(1000, "two", replace(IDLE, published="two")))


def test_writes_that_go_on_put_it_off_but_not_for_ever() -> None:
    clock = Clock()

    refreshed = [clock.tick(str(n)) for n in range(400)]

    # Fifteen minutes after the first write, and again after the next: the source never settles.
    assert [n for n, did in enumerate(refreshed) if did] == [180, 361]


def test_automatic_refreshes_keep_their_distance() -> None:
    clock = Clock()
    assert True in clock.ticks(4, "two")

    refreshed = clock.ticks(20, "three", replace(IDLE, published="two"))

    assert refreshed.index(True) == 11, "a minute after the first, though settled long before"


def test_a_refresh_that_somebody_else_asked_for_is_not_repeated() -> None:
    clock = Clock()
    clock.ticks(2, "two")

    assert not any(clock.ticks(20, "two", replace(IDLE, active=True)))
    assert clock.reason == "A refresh is under way."
    assert not any(clock.ticks(1000, "two", replace(IDLE, published="two")))


def test_a_failed_refresh_is_tried_again_but_not_at_once() -> None:
    clock = Clock()
    failed = replace(IDLE, last_failed=True)
    assert True in clock.ticks(4, "two")

    assert clock.ticks(200, "two", failed).index(True) == 59, "five minutes later"


def test_an_empty_instance_waits_for_its_first_organization() -> None:
    clock = Clock()
    unpublished = replace(IDLE, published=None)

    assert not any(clock.tick("zero", unpublished, populated=False) for _ in range(100))
    assert clock.reason == "There is no organization yet."
    assert True in clock.ticks(4, "one", unpublished)


def test_a_crash_of_the_server_that_resets_its_counters_counts_as_a_change() -> None:
    clock = Clock()
    clock.tick("one")

    assert True in clock.ticks(4, "zero")


async def _settle(session: AsyncSession) -> None:
    """Have PostgreSQL count this transaction when it ends, and not up to ten seconds later."""
    await session.execute(text("SELECT pg_stat_force_next_flush()"))


@pytest.fixture
def extract_url(settings: Settings) -> str:
    return settings.role_url("outlay_extract").render_as_string(hide_password=False)


async def test_every_kind_of_write_is_observed(
    settings: Settings, engine: AsyncEngine, extract_url: str
) -> None:
    empty = observe(extract_url)
    organization = await make_organization(engine)
    states = [empty.written]

    async def write(statement: object) -> None:
        async with organization_session(engine, organization) as session:
            if statement is None:
                await add_tag(session)
            else:
                await session.execute(statement)  # type: ignore[call-overload]
            await _settle(session)
        states.append(observe(extract_url).written)

    await write(None)
    await write(update(Tag).values(name="Renamed"))
    await write(delete(Tag))

    assert not empty.has_organizations
    assert observe(extract_url).has_organizations
    assert len(set(states)) == 4
    assert observe(extract_url).written == states[-1], "reading is not a change"


async def test_what_no_mart_reads_is_no_change(engine: AsyncEngine, extract_url: str) -> None:
    organization = await make_organization(engine)
    async with organization_session(engine, organization) as session:
        await _settle(session)
    before = observe(extract_url).written

    async with organization_session(engine, organization) as session:
        await session.execute(
            text("INSERT INTO refreshes (organization_id, run_id) VALUES (:id, uuidv7())"),
            {"id": organization},
        )
        await _settle(session)

    assert observe(extract_url).written == before
