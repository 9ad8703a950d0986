"""The reconciliation finds what was changed, added or lost on either side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from backend.warehouse.extract import SOURCE_FILE, TARGET_FILE
from backend.warehouse.reconcile import Comparison, reconcile
from tests.warehouse.example_ledger import Built, built_example


@pytest.fixture(scope="module")
def example(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("reconcile")
    with built_example(server_url, folder, "run", "--select", "+marts") as built:
        yield built


@pytest.fixture
def build(example: Built, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    for file in (SOURCE_FILE, TARGET_FILE):
        shutil.copy(example.folder / file, tmp_path)
    return tmp_path


def spoil(file: Path, *statements: str) -> None:
    with duckdb.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)


def differences(build: Path) -> dict[str, Comparison]:
    return {c.fact: c for c in reconcile(build) if not c.agrees}


def test_an_untouched_build_agrees_in_every_figure(build: Path) -> None:
    comparisons = reconcile(build)
    assert all(c.agrees for c in comparisons)
    assert {c.fact for c in comparisons} == {
        "dim_accounts",
        "dim_budgets",
        "dim_categories",
        "dim_tags",
        "fct_transactions.amount",
        "fct_daily_spending_by_tag.spent",
        "fct_daily_balance_history.balance",
        "fct_monthly_trends.income",
        "fct_monthly_trends.spending",
        "fct_budget_daily.own_spent",
        "fct_budget_daily.subtree_spent",
        "fct_cost_events.amount",
        "fct_cost_events.base_amount",
    }


def test_the_figures_are_exact_and_per_organization_and_currency(
    example: Built, build: Path
) -> None:
    base = {
        c.organization_id: c for c in reconcile(build) if c.fact == "fct_cost_events.base_amount"
    }
    household = base[example.ids["household"]]
    assert household.currency == "EUR"
    assert household.source_rows == 7  # of seven lines and two cloud costs two have no rate
    assert household.source_amount == Decimal("224.000000720001")
    assert base[example.ids["vault"]].source_rows == 0


@pytest.mark.parametrize(
    ("fact", "change"),
    [
        ("fct_transactions.amount", "UPDATE marts.fct_transactions SET amount = amount - 0.0001"),
        (
            "fct_daily_spending_by_tag.spent",
            "UPDATE marts.fct_daily_spending_by_tag SET spent = -spent WHERE tag_id IS NULL",
        ),
        (
            "fct_daily_balance_history.balance",
            "UPDATE marts.fct_daily_balance_history SET is_observed = false",
        ),
        ("fct_monthly_trends.income", "UPDATE marts.fct_monthly_trends SET income = 0"),
        ("fct_monthly_trends.spending", "UPDATE marts.fct_monthly_trends SET currency = 'CHF'"),
        ("fct_budget_daily.own_spent", "UPDATE marts.fct_budget_daily SET own_spent = 0"),
        ("fct_budget_daily.subtree_spent", "UPDATE marts.fct_budget_daily SET subtree_spent = 0"),
        ("fct_cost_events.amount", "UPDATE marts.fct_cost_events SET amount = abs(amount)"),
        ("fct_cost_events.base_amount", "UPDATE marts.fct_cost_events SET base_amount = amount"),
    ],
)
def test_a_changed_measure_is_found(build: Path, fact: str, change: str) -> None:
    spoil(build / TARGET_FILE, change)
    assert fact in differences(build)


def test_equal_sums_over_different_rows_do_not_agree(build: Path) -> None:
    spoil(
        build / TARGET_FILE,
        "INSERT INTO marts.fct_transactions SELECT * REPLACE (0 AS amount) "
        "FROM marts.fct_transactions WHERE currency = 'GBP'",
    )
    found = differences(build)["fct_transactions.amount"]
    assert (found.source_rows, found.mart_rows) == (1, 2)
    assert found.source_amount == found.mart_amount == 7


@pytest.mark.parametrize("side", ["source", "mart"])
def test_a_group_that_one_side_lacks_is_a_difference(
    example: Built, build: Path, side: str
) -> None:
    file, lost = {
        "source": (SOURCE_FILE, "raw.source_totals"),
        "mart": (TARGET_FILE, "marts.fct_transactions"),
    }[side]
    neighbour = example.ids["neighbour"]
    spoil(build / file, f"DELETE FROM {lost} WHERE organization_id = '{neighbour}'")
    found = differences(build)["fct_transactions.amount"]
    assert (found.organization_id, found.currency) == (neighbour, "GBP")
    if side == "mart":
        assert (found.source_rows, found.mart_rows) == (1, 0)
        assert (found.source_amount, found.mart_amount) == (7, 0)
    else:
        assert (found.source_rows, found.mart_rows) == (0, 1)
        assert (found.source_amount, found.mart_amount) == (0, 7)


def test_a_lost_dimension_row_is_a_difference(build: Path) -> None:
    spoil(build / TARGET_FILE, "DELETE FROM marts.dim_tags WHERE name = 'fun'")
    found = differences(build)["dim_tags"]
    assert (found.source_rows, found.mart_rows) == (3, 2)
    assert found.source_amount is found.mart_amount is None
