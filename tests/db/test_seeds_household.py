from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import create_engine
from backend.seeds.household import ORGANIZATION_ID, seed_household
from backend.seeds.household.ledger import generate_ledger
from backend.settings import Settings
from tests import server
from tests.db.seeded import digest, fetch, row_counts
from tests.factories import make_organization

TODAY = date(2025, 11, 22)


@pytest.fixture
async def seeded(engine: AsyncEngine) -> AsyncEngine:
    await seed_household(engine, today=TODAY)
    return engine


async def test_balances_are_the_opening_and_the_movements(seeded: AsyncEngine) -> None:
    """For every account and day: yesterday's balance plus what came in minus what went out."""
    wrong = """
        WITH moves AS (
            SELECT account_id, date,
                CASE WHEN kind IN ('income', 'refund') THEN amount ELSE -amount END AS amount
            FROM transactions WHERE status IN ('paid', 'pending')
            UNION ALL
            SELECT counter_account_id, date, amount FROM transactions
            WHERE counter_account_id IS NOT NULL AND status IN ('paid', 'pending')
        ), net AS (SELECT account_id, date, sum(amount) AS amount FROM moves GROUP BY 1, 2)
        SELECT b.account_id, b.date, b.balance, y.balance, net.amount
        FROM balance_snapshots b
        JOIN balance_snapshots y ON y.account_id = b.account_id AND y.date = b.date - 1
        LEFT JOIN net ON net.account_id = b.account_id AND net.date = b.date
        WHERE b.balance <> y.balance + coalesce(net.amount, 0)
    """
    assert await fetch(seeded, ORGANIZATION_ID, wrong) == []
    days = await fetch(
        seeded,
        ORGANIZATION_ID,
        "SELECT min(date), max(date), count(*) FROM balance_snapshots GROUP BY account_id",
    )
    # The day before the first carries the opening balance; no day is missing.
    assert days == [(date(2022, 11, 22), TODAY, 1097)] * 7


async def test_it_covers_three_years_two_currencies_and_every_kind(seeded: AsyncEngine) -> None:
    [(first, last)] = await fetch(
        seeded, ORGANIZATION_ID, "SELECT min(date), max(date) FROM transactions"
    )
    assert date(2022, 11, 23) <= first < date(2022, 12, 3)
    assert date(2025, 11, 15) < last <= TODAY
    kinds = await fetch(seeded, ORGANIZATION_ID, "SELECT DISTINCT kind, currency FROM transactions")
    assert set(kinds) == {
        ("expense", "EUR"),
        ("expense", "CHF"),
        ("income", "EUR"),
        ("income", "CHF"),
        ("refund", "EUR"),
        ("transfer", "EUR"),
    }
    [(recent,)] = await fetch(
        seeded,
        ORGANIZATION_ID,
        "SELECT bool_and(date > DATE '2025-11-19') FROM transactions WHERE status = 'pending'",
    )
    assert recent is True
    [(named,)] = await fetch(
        seeded,
        ORGANIZATION_ID,
        "SELECT bool_and(description LIKE '%(generated)') FROM transactions",
    )
    assert named is True


async def test_splits_sum_to_their_transactions(seeded: AsyncEngine) -> None:
    splits = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT t.amount, sum(s.amount), count(*), count(DISTINCT s.category_id)
        FROM transactions t JOIN transaction_splits s ON s.transaction_id = t.id GROUP BY t.id,
        t.amount""",
    )
    assert len(splits) > 20
    assert all(row == (row[0], row[0], 2, 2) for row in splits)


async def test_budgets_sum_in_every_month_and_reach_the_end_of_the_year(
    seeded: AsyncEngine,
) -> None:
    months = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT p.starts_on, p.ends_on,
            sum(p.amount) FILTER (WHERE b.parent_id IS NULL),
            sum(p.amount) FILTER (WHERE b.parent_id = b.root_id)
        FROM budgets b JOIN budget_periods p ON p.budget_id = b.id GROUP BY 1, 2 ORDER BY 1""",
    )
    assert all(of_root == of_children for _, _, of_root, of_children in months)
    assert (months[0][0], months[-1][1], len(months)) == (date(2022, 11, 1), date(2025, 12, 31), 38)
    for before, after in pairwise(months):
        assert before[1] + timedelta(days=1) == after[0]


async def test_every_spending_counts_in_one_budget(seeded: AsyncEngine) -> None:
    lines = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT count(*), count(DISTINCT a.line_id) FROM budget_attributions a""",
    )
    spending = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT count(*) FROM transactions t
        LEFT JOIN transaction_splits s ON s.transaction_id = t.id
        WHERE t.kind IN ('expense', 'refund')""",
    )
    assert lines == [(spending[0][0], spending[0][0])]


async def test_every_spending_in_francs_finds_a_rate(seeded: AsyncEngine) -> None:
    rates = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT count(*), count(fx_rate(organization_id, currency, 'EUR', date)),
            (SELECT array_agg(DISTINCT source) FROM fx_rates),
            (SELECT count(*) FROM fx_rates WHERE extract(isodow FROM date) > 5)
        FROM transactions WHERE currency = 'CHF'""",
    )
    [(in_francs, converted, sources, on_weekends)] = rates
    assert in_francs == converted > 30
    assert (sources, on_weekends) == (["generated"], 0)


async def test_partners_keep_some_accounts_private(seeded: AsyncEngine) -> None:
    accounts = await fetch(
        seeded,
        ORGANIZATION_ID,
        """SELECT a.name, o.email, s.email FROM accounts a JOIN users o ON o.id = a.owner_id
        LEFT JOIN account_shares x ON x.account_id = a.id LEFT JOIN users s ON s.id = x.user_id
        ORDER BY a.name""",
    )
    alex, bea = "alex@household.example", "bea@household.example"
    assert accounts == [
        ("Alex: credit card", alex, None),
        ("Alex: current", alex, None),
        ("Alex: savings", alex, None),
        ("Bea: current", bea, None),
        ("Bea: fund", bea, None),
        ("Joint", alex, bea),
        ("Swiss francs", bea, alex),
    ]


async def test_a_second_seed_adds_nothing(seeded: AsyncEngine) -> None:
    before = await digest(seeded, ORGANIZATION_ID)
    again = await seed_household(seeded, today=TODAY + timedelta(days=30))
    assert not again.created
    assert [user.role for user in again.users] == ["owner", "member", "member"]
    assert await digest(seeded, ORGANIZATION_ID) == before


@pytest.fixture
async def other_engine(server_url: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The application's engine of a second database."""
    url = await server.clone(server_url)
    settings = server.settings_for(tmp_path / "other", url)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    yield engine
    await engine.dispose()
    await server.drop(url)


async def test_two_databases_get_the_same_household(
    seeded: AsyncEngine, other_engine: AsyncEngine
) -> None:
    await seed_household(other_engine, today=TODAY)
    one, other = [await digest(engine, ORGANIZATION_ID) for engine in (seeded, other_engine)]
    assert one == other


async def test_no_row_lands_outside_the_household(seeded: AsyncEngine, settings: Settings) -> None:
    stranger = await make_organization(seeded)
    counts = await row_counts(settings)
    assert {organization for _, organization in counts} == {ORGANIZATION_ID}
    assert await fetch(seeded, stranger, "SELECT * FROM transactions") == []


async def test_a_password_is_set_only_when_given(engine: AsyncEngine) -> None:
    find = "SELECT password_hash FROM find_login('alex@household.example')"
    await seed_household(engine, today=TODAY, password="correct horse")
    [(password_hash,)] = await fetch(engine, ORGANIZATION_ID, find)
    assert password_hash.startswith("$argon2id$")


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2025, 1, 1), date(2025, 12, 31)])
def test_any_day_can_be_today(today: date) -> None:
    ledger = generate_ledger(today, seed=1)
    assert ledger.today == today
    assert 1095 <= (today - ledger.starts_on).days + 1 <= 1096
    assert all(ledger.starts_on <= movement.date <= today for movement in ledger.movements)
    assert all(movement.amount > Decimal(0) for movement in ledger.movements)


async def test_the_audit_tells_of_everything_the_seed_made(seeded: AsyncEngine) -> None:
    tables = {
        "account": "accounts",
        "budget": "budgets",
        "category": "categories",
        "connection": "connections",
        "institution": "institutions",
        "tag": "tags",
        "transaction": "transactions",
    }
    for name, table in tables.items():
        untold = f"""
            SELECT id FROM {table} EXCEPT
            SELECT e.object_id FROM audit_entries e
            JOIN audit_payloads p ON p.organization_id = e.organization_id AND p.entry_id = e.id
            WHERE e.actor = 'system:seed' AND e.object_type = '{name}'
              AND p.after->>'id' IS NOT NULL
        """
        assert await fetch(seeded, ORGANIZATION_ID, untold) == []
        [(rows,)] = await fetch(seeded, ORGANIZATION_ID, f"SELECT count(*) FROM {table}")
        assert rows > 0
