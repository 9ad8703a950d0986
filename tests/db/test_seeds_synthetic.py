from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import create_engine
from backend.seeds.report import SeedReport
from backend.seeds.synthetic import seed_synthetic
from backend.settings import Settings
from tests import server
from tests.db.seeded import digest, fetch, row_counts

TODAY = date(2025, 11, 22)


async def test_it_has_the_size_that_was_asked_for(engine: AsyncEngine) -> None:
    said: list[str] = []
    [seeded] = await seed_synthetic(engine, 1000, 10, today=TODAY, progress=said.append)
    assert (seeded.transactions, seeded.accounts, len(seeded.users)) == (1000, 20, 10)
    assert (seeded.categories, seeded.tags, seeded.budgets) == (20, 10, 5)
    assert said == ["Synthetic: 1,000 of 1,000 transactions"]
    [facts] = await fetch(
        engine,
        seeded.organization_id,
        """SELECT min(date), max(date), count(DISTINCT account_id), count(DISTINCT category_id),
            array_agg(DISTINCT kind ORDER BY kind), count(budget_id) BETWEEN 350 AND 550,
            (SELECT count(*) FROM transaction_tags),
            (SELECT count(*) FROM budget_attributions) = count(budget_id),
            count(*) FILTER (WHERE counter_account_id = account_id)
        FROM transactions""",
    )
    kinds = ["expense", "income", "refund", "transfer"]
    assert facts == (date(2022, 11, 24), date(2025, 11, 21), 20, 20, kinds, True, 1000, True, 0)


async def test_transfers_stay_with_their_person(engine: AsyncEngine) -> None:
    [seeded] = await seed_synthetic(engine, 1000, 10, today=TODAY)
    owners = await fetch(
        engine,
        seeded.organization_id,
        """SELECT DISTINCT a.owner_id = c.owner_id FROM transactions t
        JOIN accounts a ON a.id = t.account_id JOIN accounts c ON c.id = t.counter_account_id""",
    )
    assert owners == [(True,)]


async def test_organizations_share_out_the_people_and_the_rows(
    engine: AsyncEngine, settings: Settings
) -> None:
    seeded = await seed_synthetic(engine, 100, 7, organizations=3, today=TODAY)
    assert [(r.organization, r.transactions, len(r.users)) for r in seeded] == [
        ("Synthetic 1", 34, 3),
        ("Synthetic 2", 33, 2),
        ("Synthetic 3", 33, 2),
    ]
    assert [r.users[0].role for r in seeded] == ["owner"] * 3
    assert len({user.user_id for r in seeded for user in r.users}) == 7
    counts = await row_counts(settings)
    assert {organization for _, organization in counts} == {r.organization_id for r in seeded}
    assert [counts["transactions", r.organization_id] for r in seeded] == [34, 33, 33]


async def test_a_second_seed_adds_nothing_and_another_size_stands_apart(
    engine: AsyncEngine, settings: Settings
) -> None:
    [first] = await seed_synthetic(engine, 50, 2, today=TODAY)
    before = await row_counts(settings)
    [again] = await seed_synthetic(engine, 50, 2, today=TODAY)
    assert (first.created, again.created) == (True, False)
    assert await row_counts(settings) == before
    [larger] = await seed_synthetic(engine, 60, 2, today=TODAY)
    assert larger.transactions == 60
    # Known e-mail addresses stay the users they are.
    assert [u.user_id for u in larger.users] == [u.user_id for u in first.users]


async def test_nobody_and_nothing(engine: AsyncEngine) -> None:
    with pytest.raises(ValueError, match="cannot fill 3 organizations"):
        await seed_synthetic(engine, 10, 2, organizations=3, today=TODAY)
    [empty] = await seed_synthetic(engine, 0, 1, today=TODAY)
    assert (empty.transactions, empty.accounts) == (0, 2)


@pytest.fixture
async def other_engine(server_url: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The application's engine of a second database."""
    url = await server.clone(server_url)
    settings = server.settings_for(tmp_path / "other", url)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    yield engine
    await engine.dispose()
    await server.drop(url)


async def test_it_is_the_same_everywhere_and_other_with_another_seed(
    engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    async def seed(where: AsyncEngine, number: int) -> tuple[SeedReport, str]:
        [seeded] = await seed_synthetic(where, 500, 5, seed=number, today=TODAY)
        return seeded, await digest(where, seeded.organization_id)

    here, digest_here = await seed(engine, 1)
    there, digest_there = await seed(other_engine, 1)
    assert (here.organization_id, digest_here) == (there.organization_id, digest_there)

    amounts = "SELECT sum(amount) FROM transactions"
    another, _ = await seed(engine, 2)
    assert await fetch(engine, another.organization_id, amounts) != await fetch(
        engine, here.organization_id, amounts
    )
