"""An incremental refresh, case by case: what it makes anew, and when it declines to go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from adbc_driver_postgresql import dbapi

from backend.warehouse.extract import ASKED_FOR, SOURCE_FILE, TARGET_FILE, Extraction, extract
from backend.warehouse.incremental import changed_part
from backend.warehouse.incremental.base import Base, find_base
from tests.warehouse.changing_ledger import ChangingLedger, day, extract_url
from tests.warehouse.compiled_models import Model, compile_models, differences
from tests.warehouse.dbt_runner import run_dbt
from tests.warehouse.refreshed_twice import Refreshed, with_models

Change = Callable[[ChangingLedger], object]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    return compile_models(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def ledger(server_url: str, tmp_path: Path) -> Iterator[ChangingLedger]:
    """Of everything one: a foreign currency, a split, tags, balances, a cloud cost, rules."""
    with ChangingLedger(server_url, tmp_path / "home") as made:
        for number in range(6):
            budget = made.pick("budgets", number) if number < 3 else None
            made.book(day(number), account=number, category=number, budget=budget)
        dollars = made.book(day(6), account=2, currency="USD", amount=Decimal(30))
        made.split(dollars, [made.pick("tags", 0), None])
        tagged = made.pick("transactions", 0)
        for tag in range(2):
            made.write("INSERT INTO transaction_tags (transaction_id, tag_id) VALUES ($1, $2)",
                       tagged, made.pick("tags", tag))  # fmt: skip
        made.rate("EUR", "USD", day(4), Decimal("1.25"))
        made.rate("EUR", "GBP", day(0), Decimal("0.5"))
        for account in made.accounts:
            made.write(
                "INSERT INTO balance_snapshots (account_id, date, balance) VALUES ($1, $2, 5)",
                account, day(5),
            )  # fmt: skip
        made.write("INSERT INTO budget_rules (id, budget_id, category_id) VALUES ($1, $2, $3)",
                   made.id(), made.pick("budgets", 3), made.categories[0])  # fmt: skip
        made.write("INSERT INTO budget_rules (id, budget_id, service) VALUES ($1, $2, 'Queue')",
                   made.id(), made.pick("budgets", 1))  # fmt: skip
        made.add_cost(day(3), account=1, service="Queue", currency="USD", cost=Decimal("1.5"))
        yield made


@pytest.fixture
def refreshed(ledger: ChangingLedger, models: list[Model], tmp_path: Path) -> Refreshed:
    return Refreshed(ledger.settings, tmp_path / "warehouse", with_models(models))


def first(table: str, statement: str, *values: object) -> Change:
    """`statement` about the first row of `table`, which is its parameter $1."""
    return lambda ledger: ledger.write(statement, ledger.pick(table, 0), *values)


def all_rows(statement: str, *values: object) -> Change:
    return lambda ledger: ledger.write(statement, *values)


CASES: dict[str, Change] = {
    "a new line": lambda ledger: ledger.book(day(9), budget=ledger.pick("budgets", 1)),
    "another amount": first("transactions", "UPDATE transactions SET amount = 77 WHERE id = $1"),
    "another day": first("transactions", "UPDATE transactions SET date = $2 WHERE id = $1", day(9)),
    "another account": lambda ledger: ledger.write(
        "UPDATE transactions SET account_id = $2 WHERE id = $1",
        ledger.pick("transactions", 0), ledger.accounts[1],
    ),
    "another currency": first("transactions",
                              "UPDATE transactions SET currency = 'USD' WHERE id = $1"),
    "cancelled": all_rows("UPDATE transactions SET status = 'cancelled'"),
    "deleted": first("transactions", "UPDATE transactions SET deleted_at = now() WHERE id = $1"),
    "erased": first("transactions", "DELETE FROM transactions WHERE id = $1"),
    "untagged": first("transactions", "DELETE FROM transaction_tags WHERE transaction_id = $1"),
    "tagged": lambda ledger: ledger.write(
        "INSERT INTO transaction_tags (transaction_id, tag_id) VALUES ($1, $2)",
        ledger.pick("transactions", 1), ledger.pick("tags", 2),
    ),
    "a tag renamed": first("tags", "UPDATE tags SET name = 'Zz' WHERE id = $1"),
    "a tag deleted": lambda ledger: ledger.write(
        "DELETE FROM tags WHERE id = $1", ledger.pick("tags", 1)
    ),
    "split": lambda ledger: ledger.split(ledger.pick("transactions", 0), [None, None]),
    "unsplit": lambda ledger: ledger.split(
        ledger.pick("transaction_splits", 0, "transaction_id"), []
    ),
    "a split moved": lambda ledger: ledger.write(
        "UPDATE transaction_splits SET transaction_id = $1", ledger.pick("transactions", 0)
    ),
    "a late rate": lambda ledger: ledger.rate("EUR", "USD", day(6), Decimal(3)),
    "a rate corrected": all_rows("UPDATE fx_rates SET rate = 2"),
    "a rate moved": all_rows("UPDATE fx_rates SET date = date - 20"),
    "rates deleted": all_rows("DELETE FROM fx_rates"),
    "another rule": lambda ledger: ledger.write(
        "INSERT INTO budget_rules (id, budget_id, account_id) VALUES ($1, $2, $3)",
        ledger.id(), ledger.pick("budgets", 0), ledger.accounts[1],
    ),
    "rules deleted": all_rows("DELETE FROM budget_rules"),
    "a budget moved": lambda ledger: ledger.write(
        "UPDATE budgets SET parent_id = $2 WHERE id = $1",
        ledger.pick("budgets", 2), ledger.pick("budgets", 1),
    ),
    "a budget in another currency": lambda ledger: ledger.write(
        "UPDATE budgets SET currency = 'GBP' WHERE id = $1", ledger.pick("budgets", 0)
    ),
    "a period of a budget": all_rows("UPDATE budget_periods SET amount = 1"),
    "a balance": all_rows("UPDATE balance_snapshots SET balance = 9"),
    "a balance deleted": first("accounts", "DELETE FROM balance_snapshots WHERE account_id = $1"),
    "a cloud cost": lambda ledger: ledger.add_cost(
        day(3), account=1, service="Queue", currency="EUR", cost=Decimal("0.00005")
    ),
    "a cloud cost deleted": all_rows("DELETE FROM cloud_costs"),
    "a cloud cost moved": all_rows("UPDATE cloud_costs SET charge_period_start = "
                                   "charge_period_start - interval '2 days'"),
    "another owner": lambda ledger: ledger.write(
        "UPDATE accounts SET owner_id = $1 WHERE id = $2", ledger.people[1], ledger.accounts[0]
    ),
    "an account closed": first("accounts", "UPDATE accounts SET status = 'closed' WHERE id = $1"),
    "another base currency": all_rows("UPDATE organizations SET base_currency = 'USD'"),
    "a day passed": all_rows("UPDATE organizations SET time_zone = 'Pacific/Kiritimati'"),
    "a category renamed": all_rows("UPDATE categories SET name = name || '!'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_changed_is_made_anew(ledger: ChangingLedger, refreshed: Refreshed, case: str) -> None:
    if case == "a day passed":  # it is yesterday there, or tomorrow in the other zone
        ledger.write("UPDATE organizations SET time_zone = 'Pacific/Pago_Pago'")
        refreshed.refresh()
    before = shutil.copy(refreshed.base.database, refreshed.base_folder / "before.duckdb")
    CASES[case](ledger)

    extraction = refreshed.refresh()

    assert extraction.kind == "incremental"
    assert differences(Path(before), refreshed.base.database), "the case changes something"


def test_only_the_changed_days_are_read(ledger: ChangingLedger, refreshed: Refreshed) -> None:
    ledger.book(day(1), account=1)

    extraction = refreshed.refresh()

    assert extraction.changed is not None
    assert (extraction.changed.days, extraction.changed.accounts) == (1, 0)
    assert extraction.tables["transactions"] == extraction.changed.lines == 2
    assert extraction.tables["accounts"] == 3, "what is small is read whole"


def test_what_commits_late_is_found_though_it_was_written_before_the_last_snapshot(
    ledger: ChangingLedger, refreshed: Refreshed
) -> None:
    late = ledger.begin_late()
    booked = ledger.book(day(2), connection=late)
    ledger.book(day(3))
    refreshed.refresh()

    ledger.finish_late(commits=True)
    refreshed.refresh()

    with duckdb.connect(refreshed.base.database, read_only=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM marts.fct_transactions WHERE transaction_id = $1", [booked]
        ).fetchall()
    assert found == [(1,)]


def test_dbt_itself_makes_the_same(
    ledger: ChangingLedger, refreshed: Refreshed, tmp_path: Path
) -> None:
    by_dbt, anew = tmp_path / "by_dbt", tmp_path / "anew"
    for change in ("another day", "erased", "another owner", "a late rate", "a budget moved"):
        CASES[change](ledger)

    assert extract(refreshed.url, by_dbt, base=refreshed.base).kind == "incremental"
    for folder in (by_dbt, anew):
        if folder == anew:
            extract(refreshed.url, anew)
        run_dbt(folder, "--warn-error", "build", "--exclude-resource-type", "unit_test")

    assert differences(by_dbt / TARGET_FILE, anew / TARGET_FILE) == {}
    assert (
        by_dbt / TARGET_FILE
    ).stat().st_size < 5 * refreshed.base.database.stat().st_size + 2**26


def asked(refreshed: Refreshed, base: Base, tmp_path: Path) -> Extraction:
    return extract(refreshed.url, tmp_path / "asked", base=base)


def of_source(base: Base, **values: object) -> Base:
    """`base` with another source, as if it had been published from there."""
    source = base.generation.source.model_copy(update=values)
    return replace(base, generation=base.generation.model_copy(update={"source": source}))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"system_identifier": "1"}, "restored"),
        ({"timeline": 77}, "restored"),
        ({"storage": "elsewhere"}, "restored"),
        ({"snapshot": "4000000000:4000000000:"}, "earlier transaction"),
    ],
)
def test_after_a_restore_everything_is_read(
    refreshed: Refreshed, tmp_path: Path, source: dict[str, object], reason: str
) -> None:
    extraction = asked(refreshed, of_source(refreshed.base, **source), tmp_path)

    assert extraction.kind == "full"
    assert reason in extraction.reason
    assert extraction.tables["transactions"] == 7
    assert not (tmp_path / "asked" / TARGET_FILE).exists(), "nothing to merge into"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("TRUNCATE transaction_tags", "truncated"),
        ("DELETE FROM organizations WHERE id = current_organization()", "erased"),
        (
            "SELECT forget_tombstones('-1 days')",
            "no longer known",
        ),
    ],
)
def test_where_it_cannot_be_told_what_went_everything_is_read(
    ledger: ChangingLedger, refreshed: Refreshed, tmp_path: Path, statement: str, reason: str
) -> None:
    with_another = (
        "INSERT INTO organizations (id, name, base_currency) VALUES (uuidv7(), 'P', 'EUR')"
    )
    superuser = ledger.settings.admin_url().render_as_string(hide_password=False)
    with dbapi.connect(superuser, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET outlay.organization_id = '{ledger.organization}'")
        for part in (with_another, "DELETE FROM cloud_costs", statement):
            cursor.execute(part)

    extraction = asked(refreshed, refreshed.base, tmp_path)

    assert extraction.kind == "full"
    assert reason in extraction.reason


def test_old_tombstones_are_forgotten_and_young_ones_kept(ledger: ChangingLedger) -> None:
    ledger.write("DELETE FROM fx_rates")
    assert ledger.value("SELECT forget_tombstones('7 days')") == 0
    assert ledger.value("SELECT forget_tombstones('-1 days')") == 2


def test_a_large_change_is_read_whole(
    ledger: ChangingLedger,
    refreshed: Refreshed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger.write("UPDATE transactions SET amount = amount + 1")
    monkeypatch.setattr(changed_part, "is_large", lambda changed, lines: changed > lines / 5)

    extraction = asked(refreshed, refreshed.base, tmp_path)

    assert (extraction.kind, extraction.changed) == ("full", None)
    assert "Too much" in extraction.reason
    with duckdb.connect(tmp_path / "asked" / SOURCE_FILE, read_only=True) as connection:
        schemas = connection.execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()
    assert schemas == [("raw",)]


def test_without_a_base_everything_is_read(ledger: ChangingLedger, tmp_path: Path) -> None:
    reason = find_base(tmp_path, "code")

    assert isinstance(reason, str)
    assert extract(extract_url(ledger.settings), tmp_path / "asked", base=reason).reason == reason
    assert extract(extract_url(ledger.settings), tmp_path / "asked").reason == ASKED_FOR
