"""Queries whose SQL is kept in `compiled/`: one for each thing that the compiler can do."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from backend.periods import Calendar, Grain
from backend.scope import Role, Scope
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_query
from backend.warehouse.datasets import Dataset, load_datasets
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import Fill, QuerySpec
from tests.warehouse.hand_made import (
    ACME,
    ALICE,
    BOB,
    BOBS,
    FOOD,
    NOON,
    ROOT,
    TABLES,
    TRAVEL,
    make_manifest,
    sample_rows,
    write_tables,
)

DATASETS = load_datasets(make_manifest(), TABLES)


def with_a_copy() -> Dataset:
    """`fct_transactions`, stored by date as well."""
    manifest = make_manifest()
    manifest["nodes"]["model.outlay.fct_transactions"]["config"]["meta"]["by_date"] = True
    return load_datasets(manifest, TABLES)["fct_transactions"]


def write_case_tables(path: Path) -> None:
    """The sample rows, and the copy of a dataset that is stored by date as well."""
    write_tables(path, sample_rows())
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA marts_by_date")
        connection.execute(
            "CREATE TABLE marts_by_date.fct_transactions AS FROM marts.fct_transactions"
        )


OWNER = Scope(BOB, ACME, Role.OWNER)
MEMBER = Scope(ALICE, ACME, Role.MEMBER)
SHARING = Scope(
    ALICE,
    ACME,
    Role.MEMBER,
    shared_account_ids=frozenset({BOBS}),
    shared_budget_ids=frozenset({ROOT}),
)


@dataclass(frozen=True)
class Case:
    scope: Scope
    spec: dict[str, Any]
    fiscal_start: int = 1
    zurich: bool = False
    paging: Paging | None = None
    has_copy: bool = False

    def compiled(self) -> Compiled:
        dataset = with_a_copy() if self.has_copy else DATASETS[self.spec["dataset"]]
        calendar = Calendar("Europe/Zurich" if self.zurich else "UTC", self.fiscal_start)
        resolved = resolve(dataset, QuerySpec.model_validate(self.spec), NOON, calendar)
        return compile_query(dataset, resolved, self.scope, self.paging)


def where(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


CASES: dict[str, Case] = {
    "rows_of_the_organization": Case(OWNER, {"dataset": "dim_accounts"}),
    "rows_of_a_member": Case(MEMBER, {"dataset": "dim_accounts"}),
    "rows_of_a_member_with_shares": Case(
        SHARING, {"dataset": "dim_accounts", "limit": 2, "offset": 1}
    ),
    "rows_of_everyone": Case(MEMBER, {"dataset": "dim_tags"}),
    "rows_of_nobody": Case(MEMBER, {"dataset": "dim_date", "fields": ["date"]}),
    "restricted_columns": Case(
        SHARING,
        {"dataset": "dim_budgets", "fields": ["name", "path", "parent_id"]},
    ),
    "a_page_with_names": Case(
        MEMBER,
        {"dataset": "fct_transactions", "fields": ["amount", "budget.name"], "limit": 3},
    ),
    "a_page_with_names_in_an_order": Case(
        SHARING,
        {
            "dataset": "fct_transactions",
            "fields": ["amount", "budget.name"],
            "order": [{"field": "amount", "descending": True}],
            "limit": 3,
            "offset": 2,
        },
    ),
    "names_of_dimensions": Case(
        SHARING,
        {
            "dataset": "fct_transactions",
            "fields": ["amount", "account.name", "budget.path"],
            "filters": [where("account.name", "contains", "account")],
            "order": [{"field": "amount", "descending": True}, {"field": "account.name"}],
        },
    ),
    "every_operator": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "fields": ["amount"],
            "filters": [
                where("vendor", "eq", "Vendor 1"),
                where("vendor", "ne", "Vendor 2"),
                where("vendor", "in", ["Vendor 1", "Vendor 2"]),
                where("vendor", "not_in", ["Vendor 0"]),
                where("vendor", "contains", "vendor"),
                where("amount", "gt", "0.5"),
                where("amount", "gte", "1"),
                where("amount", "lt", "100"),
                where("amount", "lte", 99),
                where("amount", "in", ["1", "6.0000"]),
                where("booking_date", "between", ["2025-01-01", "2025-12-31"]),
                where("budget_id", "is_null", False),
                where("created_at", "gte", "2025-01-01T00:00:00Z"),
                where("tag_ids", "in", [str(FOOD), str(TRAVEL)]),
                where("tag_ids", "not_in", [str(TRAVEL)]),
                where("tag_ids", "contains", str(FOOD)),
                where("tag_ids", "is_null", False),
            ],
        },
    ),
    "no_ids_no_rows": Case(
        OWNER,
        {"dataset": "fct_transactions", "filters": [where("account_id", "in", [])]},
    ),
    "grouped": Case(
        SHARING,
        {
            "dataset": "fct_transactions",
            "dimensions": [
                {"column": "booking_date", "grain": "month"},
                {"column": "account.name"},
            ],
            "measures": ["total", "events", "vendors", "largest"],
            "order": [{"field": "total", "descending": True}],
        },
    ),
    "ratio_of_money": Case(OWNER, {"dataset": "fct_transactions", "measures": ["average"]}),
    "ratio_of_amounts": Case(
        OWNER,
        {
            "dataset": "fct_monthly_trends",
            "dimensions": [{"column": "month", "grain": "year"}],
            "measures": ["savings_rate"],
        },
    ),
    "last_value_of_a_period": Case(
        OWNER,
        {
            "dataset": "fct_daily_balance_history",
            "dimensions": [{"column": "balance_date", "grain": "month"}],
            "measures": ["balance"],
        },
    ),
    "last_value_of_a_day": Case(
        OWNER,
        {
            "dataset": "fct_daily_balance_history",
            "dimensions": [{"column": "balance_date"}],
            "measures": ["balance"],
        },
    ),
    "groups_without_measures": Case(
        MEMBER,
        {"dataset": "fct_transactions", "dimensions": [{"column": "vendor"}]},
    ),
    "and_or_tree": Case(
        MEMBER,
        {
            "dataset": "fct_transactions",
            "fields": ["amount"],
            "filters": [
                {
                    "or": [
                        where("vendor", "starts_with", "vend"),
                        {"and": [where("amount", "gt", "1"), where("currency", "eq", "EUR")]},
                    ]
                },
                where("booking_date", "during", "last_month"),
                where("created_at", "during", ["2025-03-01", "2025-03-31"]),
            ],
        },
        zurich=True,
    ),
    "tree_over_names": Case(
        MEMBER,
        {
            "dataset": "fct_transactions",
            "fields": ["amount"],
            "filters": [{"or": [where("account.name", "eq", "x"), where("vendor", "eq", "y")]}],
        },
    ),
    **{
        f"by_{grain}": Case(
            OWNER,
            {
                "dataset": "fct_transactions",
                "dimensions": [{"column": "booking_date", "grain": grain}],
                "measures": ["events"],
            },
            fiscal_start=4,
        )
        for grain in Grain
    },
    "by_month_of_a_time_zone": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "created_at", "grain": "month"}],
            "measures": ["events"],
        },
        zurich=True,
    ),
    "names_of_groups_of_a_member": Case(
        SHARING,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "account.name"}],
            "measures": ["total"],
        },
    ),
    "names_of_groups": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "booking_date", "grain": "month"}, {"column": "budget.name"}],
            "measures": ["total", "average", "largest"],
            "filters": [where("account.name", "contains", "account")],
        },
    ),
    "having": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "vendor"}],
            "measures": ["total", "vendors"],
            "having": [{"or": [where("total", "gt", "1"), where("vendors", "is_null", True)]}],
        },
    ),
    "compared_with_the_previous_period": Case(
        SHARING,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "booking_date", "grain": "month"}, {"column": "vendor"}],
            "measures": ["total", "events"],
            "filters": [where("booking_date", "during", "last_3_months")],
            "compare": "previous_period",
        },
    ),
    "compared_with_the_previous_year": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "measures": ["average"],
            "filters": [where("booking_date", "between", ["2025-01-10", "2025-03-05"])],
            "compare": "previous_year",
        },
    ),
    "compared_by_week": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "booking_date", "grain": "week"}],
            "measures": ["events"],
            "filters": [where("booking_date", "during", "this_year")],
            "compare": "previous_year",
        },
    ),
    "compared_names": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "account.name"}],
            "measures": ["total"],
            "filters": [where("booking_date", "during", "month_to_date")],
            "compare": "previous_period",
        },
    ),
    "compared_last_values": Case(
        OWNER,
        {
            "dataset": "fct_daily_balance_history",
            "dimensions": [{"column": "balance_date", "grain": "month"}],
            "measures": ["balance"],
            "filters": [where("balance_date", "during", "last_quarter")],
            "compare": "previous_period",
        },
    ),
    **{
        f"filled_with_{fill}": Case(
            OWNER,
            {
                "dataset": "fct_transactions",
                "dimensions": [
                    {"column": "vendor"},
                    {"column": "booking_date", "grain": "month"},
                ],
                "measures": ["total", "average"],
                "filters": [where("booking_date", "during", "this_year")],
                "fill": fill,
            },
        )
        for fill in Fill
    },
    "filled_without_series": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "booking_date"}],
            "measures": ["events"],
            "filters": [where("booking_date", "during", "this_week")],
            "fill": "zero",
        },
    ),
    "filled_compared_and_summed_up": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "vendor"}, {"column": "booking_date", "grain": "month"}],
            "measures": ["total"],
            "filters": [where("booking_date", "during", "last_quarter")],
            "compare": "previous_year",
            "fill": "previous",
            "totals": {"subtotals": "all", "shares": ["total"]},
        },
    ),
    **{
        f"totals_{subtotals}": Case(
            OWNER,
            {
                "dataset": "fct_transactions",
                "dimensions": [
                    {"column": "booking_date", "grain": "month"},
                    {"column": "account.name"},
                ],
                "measures": ["total", "vendors", "average"],
                "having": [where("total", "gt", "2")],
                "totals": {"subtotals": subtotals, "shares": ["total"]},
            },
        )
        for subtotals in ("all", "grand", "none")
    },
    "totals_of_last_values": Case(
        OWNER,
        {
            "dataset": "fct_daily_balance_history",
            "dimensions": [
                {"column": "balance_date", "grain": "month"},
                {"column": "account_id"},
            ],
            "measures": ["balance"],
            "totals": {"subtotals": "all"},
        },
    ),
    "next_rows": Case(
        OWNER,
        {"dataset": "fct_transactions", "fields": ["amount"], "limit": 5},
        paging=Paging(5, after=(3,), keyed=True),
    ),
    "next_rows_in_an_order": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "fields": ["amount"],
            "order": [{"field": "amount", "descending": True}, {"field": "vendor"}],
        },
        paging=Paging(5, after=(Decimal("6.0000"), None, 3), keyed=True),
    ),
    "next_groups": Case(
        OWNER,
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": "vendor"}],
            "measures": ["total"],
            "order": [{"field": "total", "descending": True}],
            "totals": {},
        },
        paging=Paging(5, after=(1, Decimal("6.0000"), "Vendor 1", "EUR"), keyed=True),
    ),
    **{
        f"days_of_{whose}": Case(
            scope,
            {
                "dataset": "fct_transactions",
                "measures": ["total"],
                "filters": [where("booking_date", "during", "last_month")],
            },
            has_copy=True,
        )
        for whose, scope in (("the_organization", OWNER), ("a_member", MEMBER))
    },
    "all_days_of_the_organization": Case(
        OWNER, {"dataset": "fct_transactions", "measures": ["total"]}, has_copy=True
    ),
    "every_row": Case(MEMBER, {"dataset": "dim_tags"}, paging=Paging()),
}
