"""The marts that dbt builds from a real extract, against figures added up by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from backend.warehouse.extract import SOURCE_FILE, TARGET_FILE
from backend.warehouse.reconcile import reconcile
from tests.warehouse.dbt_runner import DbtFailed, run_dbt
from tests.warehouse.example_ledger import BIGGEST, Built, built_example, march


@pytest.fixture(scope="module")
def marts(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("marts")
    with built_example(server_url, folder, "--warn-error", "build") as built:
        yield built


def money(*figures: str | None) -> tuple[Decimal | None, ...]:
    return tuple(None if figure is None else Decimal(figure) for figure in figures)


def test_spent_is_expenses_paid_and_pending_less_refunds(marts: Built) -> None:
    trends = marts.rows(
        "SELECT month, income, spending, net, savings_rate, unconverted "
        "FROM fct_monthly_trends WHERE account_id = $1 AND organization_id = $2",
        "current",
        "household",
    )
    assert trends == [(march(1), *money("3000", "215", "2785", "0.928333"), 0)]


def test_a_transaction_counts_under_each_tag_and_a_tagged_split_under_its_own_alone(
    marts: Built,
) -> None:
    names = {marts.ids[name]: name for name in ("food", "fun", "gifts")}
    spending = marts.rows(
        "SELECT spending_date, tag_id, spent, transactions FROM fct_daily_spending_by_tag "
        "WHERE account_id = $1 AND organization_id = $2",
        "current",
        "household",
    )
    assert {(day, names.get(tag, "untagged")): (spent, n) for day, tag, spent, n in spending} == {
        (march(10), "food"): (100, 1),
        (march(10), "fun"): (100, 1),
        (march(10), "untagged"): (40, 1),
        (march(11), "food"): (-15, 1),
        (march(13), "gifts"): (60, 1),
        (march(13), "food"): (30, 1),
    }


def test_another_currency_is_converted_at_a_rate_of_the_last_seven_days_or_said_to_lack_one(
    marts: Built,
) -> None:
    amounts = marts.rows(
        "SELECT booking_date, amount, currency, base_amount, base_currency, base_spent "
        "FROM fct_transactions WHERE account_id = $1",
        "card",
    )
    assert amounts == [
        (march(14), Decimal(10), "USD", Decimal(9), "EUR", Decimal(9)),
        (march(20), Decimal(20), "USD", None, "EUR", None),
    ]
    trends = marts.rows(
        "SELECT spending, base_spending, unconverted, savings_rate "
        "FROM fct_monthly_trends WHERE account_id = $1",
        "card",
    )
    assert trends == [(Decimal(30), Decimal(9), 1, None)]


def test_cost_events_are_the_lines_of_spending(marts: Built) -> None:
    events = marts.rows(
        "SELECT cost_date, amount, category_id, budget_id, description = 'the rest' "
        "FROM fct_cost_events WHERE organization_id = $1 AND source = 'expense' "
        "ORDER BY cost_date, amount DESC",
        "household",
    )
    ids = marts.ids
    assert events == [
        (march(10), 100, ids["groceries"], ids["team"], False),
        (march(10), 40, None, ids["city"], False),
        (march(11), -15, None, ids["team"], False),
        (march(13), 60, ids["groceries"], None, False),
        (march(13), 30, ids["living"], None, True),
        (march(14), 10, None, None, False),
        (march(20), 20, None, ids["team"], False),
    ]


def test_cloud_costs_are_events_at_their_effective_cost_in_all_their_decimals(marts: Built) -> None:
    events = marts.rows(
        "SELECT cost_date, amount, currency, base_amount, owner_id, account_id, service_name, "
        "region, vendor, description, transaction_id "
        "FROM fct_cost_events WHERE organization_id = $1 AND source = 'cloud' ORDER BY cost_date",
        "household",
    )
    ids = marts.ids
    of_row = (ids["bob"], ids["card"], "Queue", "eu-west-1", "AWS", "Queue", None)
    assert events == [
        (march(14), Decimal("0.000000800001"), "USD", Decimal("0.000000720001"), *of_row),
        (march(20), Decimal(5), "USD", None, *of_row),
    ]


def test_tags_are_listed_by_name_those_of_splits_among_them(marts: Built) -> None:
    ids = marts.ids
    listed = {
        row[0]: row[1:]
        for row in marts.rows(
            "SELECT transaction_id, tag_names, tag_ids, is_split FROM fct_transactions "
            "WHERE organization_id = $1",
            "household",
        )
    }
    assert listed[ids["tagged"]] == (["food", "fun"], [ids["food"], ids["fun"]], False)
    assert listed[ids["divided"]] == (["food", "gifts"], [ids["food"], ids["gifts"]], True)
    assert listed[ids["unconverted"]] == ([], [], False)


def test_balances_are_dense_and_carried_to_the_day_of_the_snapshot(marts: Built) -> None:
    history = marts.rows(
        "SELECT balance_date, balance, is_observed FROM fct_daily_balance_history "
        "WHERE account_id = $1 AND organization_id = $2 ORDER BY balance_date",
        "current",
        "household",
    )
    days = (marts.snapshot_date - march(1)).days + 1
    assert [row[0] for row in history] == [march(1) + timedelta(days=n) for n in range(days)]
    assert history[:5] == [
        (march(1), Decimal(1000), True),
        (march(2), Decimal(1000), False),
        (march(3), Decimal(1000), False),
        (march(4), Decimal(1000), False),
        (march(5), Decimal("-900.5"), True),
    ]
    assert history[-1] == (marts.snapshot_date, Decimal("-900.5"), False)


def test_a_closed_account_has_no_balance_after_its_last_observation(marts: Built) -> None:
    last = marts.rows(
        "SELECT max(balance_date) FROM fct_daily_balance_history WHERE account_id = $1", "closed"
    )
    assert last == [(march(4),)]


def test_a_carried_balance_is_converted_at_the_rate_of_its_own_day(marts: Built) -> None:
    history = marts.rows(
        "SELECT balance_date, base_balance FROM fct_daily_balance_history "
        "WHERE account_id = $1 AND balance_date BETWEEN '2025-03-14' AND '2025-03-16'",
        "card",
    )
    assert history == [(march(14), -45), (march(15), -45), (march(16), None)]


def test_a_budget_carries_its_subtree_in_its_own_currency(marts: Built) -> None:
    query = (
        "SELECT budget_date, own_spent_to_date, subtree_spent_to_date, remaining, "
        "unconverted_to_date FROM fct_budget_daily WHERE budget_id = $1 AND budget_date IN "
        "('2025-03-09', '2025-03-10', '2025-03-11', '2025-03-20', '2025-12-31')"
    )
    assert marts.rows(query, "team") == [
        (march(9), *money("0", "0", "100"), 0),
        (march(10), *money("111.1111", "111.1111", "-11.1111"), 0),
        (march(11), *money("94.4444", "94.4444", "5.5556"), 0),
        (march(20), *money("114.4444", "114.4444", "-14.4444"), 0),
        (date(2025, 12, 31), *money("114.4444", "114.4444", "-14.4444"), 0),
    ]
    assert marts.rows(query, "city") == [
        (march(9), *money("0", "0", "1000"), 0),
        (march(10), *money("40", "140", "860"), 0),
        (march(11), *money("40", "125", "875"), 0),
        (march(20), *money("40", "125", "875"), 1),
        (date(2025, 12, 31), *money("40", "125", "875"), 1),
    ]


def test_dimensions_tell_paths_institutions_and_connections(marts: Built) -> None:
    ids = marts.ids
    assert marts.rows(
        "SELECT path, depth FROM dim_categories WHERE organization_id = $1 ORDER BY path",
        "household",
    ) == [("Living", 0), ("Living / Groceries", 1)]
    assert marts.rows("SELECT path, depth, root_id FROM dim_budgets ORDER BY path") == [
        ("City", 0, ids["city"]),
        ("City / Team", 1, ids["city"]),
    ]
    assert marts.rows(
        "SELECT institution_id, institution_name, connection_provider, connection_status "
        "FROM dim_accounts WHERE account_id = $1 AND organization_id = $2",
        "current",
        "household",
    ) == [(ids["bank"], "First Bank", "openbank", "expired")]


def test_deleted_transactions_are_nowhere(marts: Built) -> None:
    assert marts.rows("SELECT * FROM fct_transactions WHERE amount = 777") == []
    assert marts.rows("SELECT * FROM fct_daily_spending_by_tag WHERE spent = 777") == []
    assert marts.rows("SELECT * FROM fct_cost_events WHERE amount = 777") == []


def test_the_same_ids_in_another_organization_stay_there(marts: Built) -> None:
    assert marts.rows(
        "SELECT amount, base_currency, tag_names FROM fct_transactions "
        "WHERE transaction_id = $1 ORDER BY amount",
        "tagged",
    ) == [(7, "GBP", ["food of the neighbour"]), (100, "EUR", ["food", "fun"])]
    assert marts.rows(
        "SELECT spent FROM fct_daily_spending_by_tag WHERE organization_id = $1", "neighbour"
    ) == [(7,)]


def test_eighteen_digits_are_kept_and_what_has_no_room_after_conversion_is_unconverted(
    marts: Built,
) -> None:
    assert marts.rows(
        "SELECT spending, base_spending, unconverted FROM fct_monthly_trends "
        "WHERE organization_id = $1",
        "vault",
    ) == [(2 * BIGGEST, None, 2)]
    assert marts.rows(
        "SELECT balance, base_balance FROM fct_daily_balance_history "
        "WHERE organization_id = $1 AND is_observed",
        "vault",
    ) == [(-BIGGEST, None)]


@pytest.mark.parametrize(
    ("fact", "day"),
    [
        ("fct_transactions", "booking_date"),
        ("fct_daily_spending_by_tag", "spending_date"),
        ("fct_daily_balance_history", "balance_date"),
        ("fct_monthly_trends", "month"),
        ("fct_budget_daily", "budget_date"),
        ("fct_cost_events", "cost_date"),
    ],
)
def test_facts_lie_sorted_by_organization_owner_and_date(marts: Built, fact: str, day: str) -> None:
    stored = marts.rows(f"SELECT organization_id, owner_id, {day} FROM {fact} ORDER BY rowid")
    assert len(stored) > 1
    assert stored == sorted(stored, key=lambda row: (str(row[0]), str(row[1]), row[2]))


def test_the_published_file_holds_marts_and_what_the_next_refresh_goes_on_from(
    marts: Built,
) -> None:
    others = marts.rows(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = 'outlay' AND schema_name <> 'marts'"
    )
    assert set(others) == {
        ("intermediate", "int_budget_spending"),
        ("intermediate", "int_organizations"),
        ("marts_by_date", "fct_cost_events"),
    }
    assert marts.rows("SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [(0,)]


def test_the_calendar_does_not_tell_how_far_anybodys_facts_reach(marts: Built) -> None:
    first, last, days = marts.rows("SELECT min(date), max(date), count(*) FROM dim_date")[0]
    assert (first, last) == (date(1900, 1, 1), date(2200, 12, 31))
    assert days == (last - first).days + 1


def test_the_marts_equal_what_postgresql_computed(marts: Built) -> None:
    comparisons = reconcile(marts.folder)
    assert [c for c in comparisons if not c.agrees] == []
    assert {c.organization_id for c in comparisons} == {
        marts.ids[name] for name in ("household", "neighbour", "vault")
    }


def test_every_column_of_every_mart_is_described_and_has_its_type_enforced(marts: Built) -> None:
    manifest = json.loads((marts.folder / "target" / "manifest.json").read_text())
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    in_marts = [model for model in models if model["schema"] == "marts"]
    assert len(in_marts) == 11
    for model in in_marts:
        stored = marts.rows(f"SELECT column_name FROM (DESCRIBE {model['name']})")
        assert [name for (name,) in stored] == list(model["columns"])
        assert model["contract"]["enforced"]
        assert all(column["description"] for column in model["columns"].values())


def test_broken_marts_fail_their_tests_and_unequal_splits_are_warned_of(
    marts: Built, tmp_path: Path
) -> None:
    for file in (SOURCE_FILE, TARGET_FILE):
        shutil.copy(marts.folder / file, tmp_path)
    with duckdb.connect(tmp_path / TARGET_FILE) as connection:
        connection.execute("INSERT INTO marts.fct_transactions FROM marts.fct_transactions LIMIT 1")
        connection.execute(
            "UPDATE marts.fct_cost_events SET account_id = $1 WHERE organization_id = $2",
            [marts.ids["closed"], marts.ids["neighbour"]],
        )
    with duckdb.connect(tmp_path / SOURCE_FILE) as connection:
        connection.execute("UPDATE raw.transaction_splits SET amount = 1 WHERE amount = 60")
    with pytest.raises(DbtFailed) as failure:
        run_dbt(
            tmp_path, "test", "--select", "fct_transactions", "fct_cost_events", "splits_add_up"
        )
    text = str(failure.value)
    assert "FAIL 1 unique_key_fct_transactions_organization_id__transaction_id" in text
    assert "FAIL 1 belongs_to_fct_cost_events_account_id" in text
    assert "WARN 1 splits_add_up" in text
    assert "WARN=1 ERROR=2" in text
