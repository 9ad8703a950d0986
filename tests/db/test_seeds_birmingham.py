"""Expected figures come from the Parquet file by another way than the seed reads it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.seeds.birmingham import ORGANIZATION_ID, seed_birmingham
from backend.seeds.birmingham.findings import alike
from backend.seeds.birmingham.source import PURCHASE_CARDS, SourceError, read_purchase_cards
from backend.seeds.demo import seed_demo
from backend.settings import Settings
from tests.db.seeded import fetch, row_counts
from tests.factories import make_organization

TODAY = date(2025, 11, 22)
PENNY = Decimal("0.01")


def _published(path: Path = PURCHASE_CARDS) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    for row in rows:
        row["amount"] = Decimal(row["amount"]).quantize(PENNY)
        day = date.fromisoformat(row["date"])
        row["fiscal_year"] = day.year if day.month >= 4 else day.year - 1
    return rows


def _previous_spending(path: Path = PURCHASE_CARDS) -> dict[tuple[int, str, str], Decimal]:
    """Net spending, at least 0, by the fiscal year after, directorate and cost centre."""
    net: defaultdict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for row in _published(path):
        if row["fiscal_year"] in {2014, 2015}:
            key = (row["fiscal_year"] + 1, row["directorate"], row["cost_centre_code"] or "")
            net[key] += row["amount"]
    return {key: max(amount, Decimal(0)) for key, amount in net.items()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fortieth row of the ledger."""
    path = tmp_path_factory.mktemp("birmingham") / "sample.parquet"
    table = pq.read_table(PURCHASE_CARDS)
    pq.write_table(table.take(pa.array(range(0, table.num_rows, 40))), path)
    return path


async def test_the_demo_holds_the_published_ledger_to_the_penny(
    engine: AsyncEngine, settings: Settings
) -> None:
    said: list[str] = []
    birmingham, household = await seed_demo(engine, today=TODAY, progress=said.append)
    assert birmingham.rows_read == birmingham.transactions == 127_106
    assert household.transactions > 1000
    assert len(said) == 4

    expected: defaultdict[tuple[int, str], list[Any]] = defaultdict(lambda: [0, Decimal(0)])
    for row in _published():
        total = expected[row["fiscal_year"], "refund" if row["amount"] < 0 else "expense"]
        total[0] += 1
        total[1] += abs(row["amount"])
    loaded = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT extract(year FROM date - interval '3 months')::int, kind, count(*), sum(amount)
        FROM transactions WHERE status = 'paid' AND currency = 'GBP' GROUP BY 1, 2""",
    )
    assert {(year, kind): [n, amount] for year, kind, n, amount in loaded} == expected

    before = await row_counts(settings)
    again = await seed_demo(engine, today=TODAY)
    assert [report.created for report in again] == [False, False]
    assert [report.users for report in again] == [birmingham.users, household.users]
    assert await row_counts(settings) == before


async def test_budgets_are_the_spending_of_the_year_before(
    engine: AsyncEngine, sample: Path
) -> None:
    await seed_birmingham(engine, path=sample)
    leaves = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT extract(year FROM c.starts_on)::int, d.name, split_part(c.name, ' ', 1), c.amount
        FROM budgets c JOIN budgets d ON d.id = c.parent_id WHERE c.level = 'service'""",
    )
    assert {
        (year, directorate, "" if code == "No" else code): amount
        for year, directorate, code, amount in leaves
    } == _previous_spending(sample)

    wrong = """SELECT p.name FROM budgets p JOIN budgets c ON c.parent_id = p.id
        GROUP BY p.id, p.name, p.amount HAVING p.amount <> sum(c.amount)"""
    assert await fetch(engine, ORGANIZATION_ID, wrong) == []
    roots = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT b.name, b.level, p.starts_on, p.ends_on, p.amount = b.amount
        FROM budgets b JOIN budget_periods p ON p.budget_id = b.id
        WHERE b.parent_id IS NULL ORDER BY 1""",
    )
    assert roots == [
        ("Purchase cards 2015/16", "organization", date(2015, 4, 1), date(2016, 3, 31), True),
        ("Purchase cards 2016/17", "organization", date(2016, 4, 1), date(2017, 3, 31), True),
    ]


async def test_purchases_of_budgeted_years_count_in_their_cost_centre(
    engine: AsyncEngine, sample: Path
) -> None:
    await seed_birmingham(engine, path=sample)
    places = set(_previous_spending(sample))
    directorates = {place[:2] for place in places}
    levels: defaultdict[str | None, int] = defaultdict(int)
    for row in _published(sample):
        place = (row["fiscal_year"], row["directorate"], row["cost_centre_code"] or "")
        if row["fiscal_year"] not in {2015, 2016}:
            levels[None] += 1
        elif place in places:
            levels["service"] += 1
        elif place[:2] in directorates:
            levels["department"] += 1
        else:
            levels["organization"] += 1
    linked = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT b.level, count(*) FROM transactions t LEFT JOIN budgets b ON b.id = t.budget_id
        GROUP BY 1""",
    )
    assert dict(linked) == dict(levels)
    outside = """SELECT count(*) FROM budget_attributions a
        JOIN transactions t ON t.id = a.transaction_id JOIN budgets b ON b.id = a.budget_id
        WHERE t.date NOT BETWEEN b.starts_on AND b.ends_on"""
    assert await fetch(engine, ORGANIZATION_ID, outside) == [(0,)]


async def test_tags_and_categories_say_what_the_source_says(
    engine: AsyncEngine, sample: Path
) -> None:
    await seed_birmingham(engine, path=sample)
    published = _published(sample)
    tagged = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT CASE WHEN g.name LIKE 'VAT %' THEN g.name ELSE split_part(g.name, ' ', 3) END,
            count(*) FROM transaction_tags t JOIN tags g ON g.id = t.tag_id GROUP BY 1""",
    )
    expected: defaultdict[str, int] = defaultdict(int)
    for row in published:
        if row["vat_code"]:
            expected[f"VAT {row['vat_code']}"] += 1
        if row["cost_centre_code"]:
            expected[row["cost_centre_code"]] += 1
    assert dict(tagged) == dict(expected)

    categorized = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT c.name, right(c.description, 4), count(*) FROM transactions t
        LEFT JOIN categories c ON c.id = t.category_id GROUP BY 1, 2""",
    )
    counted: defaultdict[tuple[str | None, str | None], int] = defaultdict(int)
    for row in published:
        counted[row["category"], row["account_code"]] += 1
    assert {(name, code): n for name, code, n in categorized} == dict(counted)


async def test_cards_belong_to_the_director_but_for_the_busiest(
    engine: AsyncEngine, settings: Settings, sample: Path
) -> None:
    report = await seed_birmingham(engine, path=sample)
    assert [user.role for user in report.users] == [
        "owner",
        "admin",
        "manager",
        "analyst",
        "member",
        "viewer",
    ]
    owned = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT u.email, count(*) FROM accounts a JOIN users u ON u.id = a.owner_id
        WHERE a.type = 'card' GROUP BY 1 ORDER BY 2""",
    )
    assert owned[0] == ("card.holder@birmingham.example", 5)
    assert owned[1][0] == "finance.director@birmingham.example"
    shared = await fetch(
        engine,
        ORGANIZATION_ID,
        """SELECT u.email, count(*), count(DISTINCT a.owner_id) FROM account_shares s
        JOIN users u ON u.id = s.user_id JOIN accounts a ON a.id = s.account_id
        WHERE a.owner_id <> u.id GROUP BY 1 ORDER BY 1""",
    )
    assert shared == [
        ("card.holder@birmingham.example", 1, 1),
        ("councillor@birmingham.example", 1, 1),
    ]
    stranger = await make_organization(engine)
    assert await fetch(engine, stranger, "SELECT * FROM transactions") == []
    assert {organization for _, organization in await row_counts(settings)} == {ORGANIZATION_ID}


def test_the_mess_is_reported() -> None:
    findings = " ".join(read_purchase_cards().findings)
    for told in (
        "'CYP&F SCHOOLS' (59,869 rows), 'CYP&F Schools' (439 rows)",
        "'DEVELOPMENT' (3,201 rows), 'Development' (1 rows)",
        "54 rows have no category",
        "138 rows (-205,471.93 GBP net) have no cost centre",
        "2,934 rows are negative (-620,849.17 GBP)",
        "3,172 rows repeat another",
        "15 rows are dated outside April 2014 to December 2016 (2013-11-12 to 2017-01-02)",
        "May 2014 has only 128 rows",
    ):
        assert told in findings


def test_names_that_look_alike_are_grouped() -> None:
    assert alike(["Roads", "roads", "Parks", "Road"]) == [["Roads", "roads", "Road"]]
    assert alike(["Roads", "Parks"]) == []


def test_an_amount_that_is_not_whole_pennies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inexact.parquet"
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * REPLACE (amount + 0.001 AS amount) FROM '{PURCHASE_CARDS}' LIMIT 3) "
            f"TO '{path}'"
        )
    with pytest.raises(SourceError, match=r"3 amounts of inexact\.parquet"):
        read_purchase_cards(path)
