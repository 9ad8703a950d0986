"""What a query really does, said without a value of anybody."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest

from backend.periods import Calendar
from backend.scope import Role, Scope
from backend.warehouse.compiler import compile_query
from backend.warehouse.estimate import compile_estimate, estimate, read_datasets
from backend.warehouse.examples import example
from backend.warehouse.explain import Explanation, Origin, explain
from backend.warehouse.resolve import NamedDays, resolve
from backend.warehouse.spec import QuerySpec
from backend.warehouse.visibility import row_filter
from tests.warehouse.compiled_cases import CASES, DATASETS, MEMBER, OWNER, SHARING, where
from tests.warehouse.hand_made import BOBS, NOON, identity, sample_rows, write_tables


def explained(scope: Scope, **spec: Any) -> Explanation:
    query = QuerySpec.model_validate(spec)
    dataset = DATASETS[query.dataset]
    resolved = resolve(dataset, query, NOON, Calendar())
    return explain(dataset, resolved, compile_query(dataset, resolved, scope), scope)


WORDS = {
    ("fct_transactions", OWNER): "All rows of your organization.",
    ("fct_transactions", MEMBER): "Rows of your organization that you own.",
    ("fct_transactions", SHARING): (
        "Rows of your organization that you own, plus rows of 1 account shared with you."
    ),
    ("dim_budgets", SHARING): (
        "Rows of your organization that you own, plus rows of 1 budget shared with you."
    ),
    ("dim_tags", MEMBER): "All rows of your organization.",
    ("dim_date", MEMBER): "All rows: they belong to no organization.",
}


@pytest.mark.parametrize(("dataset", "scope"), WORDS)
def test_the_row_filter_in_words(dataset: str, scope: Scope) -> None:
    assert row_filter(DATASETS[dataset], scope) == WORDS[dataset, scope]


@pytest.mark.parametrize("role", Role)
def test_two_accounts_are_counted_for_those_who_do_not_see_all(role: Role) -> None:
    scope = replace(SHARING, role=role, shared_account_ids=frozenset({BOBS, identity(99)}))
    said = row_filter(DATASETS["fct_transactions"], scope)
    assert ("plus rows of 2 accounts shared with you" in said) is (
        role in {Role.MEMBER, Role.VIEWER}
    )


def test_names_of_periods_become_days() -> None:
    found = explained(
        OWNER,
        dataset="fct_monthly_trends",
        dimensions=[{"column": "month"}],
        measures=["net"],
        compare="previous_year",
        filters=[{"and": [where("month", "during", "last_3_months")]}],
    )
    due = NamedDays("#/filters/0/and/0", "last_3_months", date(2024, 12, 1), date(2025, 2, 28))
    assert found.named_days == (due,)
    assert (found.period.first, found.period.last) == (due.first, due.last)  # type: ignore[union-attr]
    assert found.compared is not None
    assert (found.compared.first, found.compared.last) == (date(2023, 12, 1), date(2024, 2, 29))
    # What was resolved can be asked again and is the same question.
    assert QuerySpec.model_validate(found.query.model_dump(mode="json")).is_grouped


def test_parameters_have_names_types_and_an_origin() -> None:
    found = explained(
        SHARING,
        dataset="fct_transactions",
        filters=[
            where("amount", "gte", "10.50"),
            where("booking_date", "during", "this_month"),
            where("created_at", "lt", "2025-01-01T00:00:00Z"),
            where("budget_id", "in", [str(identity(41))]),
            where("vendor", "in", []),
        ],
    )
    by_origin: dict[Origin, dict[str, str]] = {origin: {} for origin in Origin}
    for parameter in found.parameters:
        by_origin[parameter.origin][parameter.name] = parameter.type
    assert by_origin[Origin.SCOPE] == {
        "organization": "uuid",
        "me": "uuid",
        "shared_accounts": "list<uuid>",
        "shared_budgets": "list<uuid>",  # of the budgets that a budget_id may lead to
    }
    assert by_origin[Origin.PAGE] == {"limit": "integer", "offset": "integer"}
    assert sorted(by_origin[Origin.QUERY].values()) == [
        "date", "date", "list<uuid>", "text", "timestamp"
    ]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_of_the_sql_is_named_and_no_id_is_told(case: str) -> None:
    asked = CASES[case]
    query = QuerySpec.model_validate(asked.spec)
    dataset = DATASETS[query.dataset]
    resolved = resolve(dataset, query, NOON, Calendar())
    found = explain(dataset, resolved, asked.compiled(), asked.scope)
    assert set(re.findall(r"\$(\w+)", found.sql)) <= {each.name for each in found.parameters}
    told = repr(replace(found, query=QuerySpec(dataset=query.dataset)))
    scope = asked.scope
    ids = {scope.organization_id, scope.user_id, *scope.shared_account_ids}
    for identity_ in {*ids, *scope.shared_budget_ids}:
        assert str(identity_) not in told
        assert repr(identity_) not in told


def test_columns_that_come_out_empty_are_named() -> None:
    found = explained(SHARING, dataset="dim_budgets")
    assert {each.name for each in found.empty_columns} == {"parent_id", "path"}
    assert explained(OWNER, dataset="dim_budgets").empty_columns == ()
    found = explained(
        SHARING, dataset="fct_transactions", fields=["amount", "budget_id", "budget.path"]
    )
    reasons = {each.name: each.reason for each in found.empty_columns}
    assert reasons == {
        "budget_id": "Only where it leads to dim_budgets that you may not see.",
        "budget.path": "It is for those who see the whole organization.",
    }
    assert explained(MEMBER, dataset="fct_monthly_trends").empty_columns == ()


def test_joined_dimensions_have_a_row_filter_and_a_lineage_of_their_own() -> None:
    found = explained(SHARING, dataset="fct_transactions", fields=["amount", "account.name"])
    assert [each.dataset for each in found.row_filters] == ["fct_transactions", "dim_accounts"]
    assert {"raw.transactions", "dim_accounts"} <= {node.name for node in found.lineage.nodes}
    alone = explained(SHARING, dataset="fct_transactions", fields=["amount"])
    assert [each.dataset for each in alone.row_filters] == ["fct_transactions"]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    path = tmp_path_factory.mktemp("marts") / "outlay.duckdb"
    write_tables(path, sample_rows())
    return duckdb.connect(path, read_only=True)


@pytest.mark.parametrize(("scope", "rows"), [(OWNER, 2), (MEMBER, 1), (SHARING, 2)])
def test_the_estimate_counts_the_callers_rows_of_the_days(
    scope: Scope, rows: int, marts: duckdb.DuckDBPyConnection
) -> None:
    query = QuerySpec.model_validate({
        "dataset": "fct_transactions",
        "filters": [
            where("booking_date", "during", "last_month"),
            where("vendor", "eq", "nobody"),
            {"or": [where("booking_date", "eq", "2025-01-01")]},
        ],
    })  # fmt: skip
    dataset = DATASETS[query.dataset]
    counting = compile_estimate(dataset, resolve(dataset, query, NOON, Calendar()), scope)
    found = marts.execute(counting.sql, dict(counting.parameters)).fetchall()
    assert found == [(rows,)]


def test_the_estimate_of_a_comparison_counts_both_periods(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    query = QuerySpec.model_validate({
        "dataset": "fct_transactions",
        "measures": ["total"],
        "compare": "previous_period",
        "filters": [where("booking_date", "during", "last_month")],
    })  # fmt: skip
    dataset = DATASETS[query.dataset]
    resolved = resolve(dataset, query, NOON, Calendar())
    counting = compile_estimate(dataset, resolved, MEMBER)
    assert marts.execute(counting.sql, dict(counting.parameters)).fetchall() == [(2,)]
    compiled = compile_query(dataset, resolved, MEMBER)
    assert [each.id for each in read_datasets(dataset, compiled)] == ["fct_transactions"]


def test_an_estimate_rounds_storage_up() -> None:
    dataset = DATASETS["fct_transactions"]
    assert estimate(dataset, {dataset.id: 3}, 0, 10).row_groups == 0
    assert estimate(dataset, {dataset.id: 3}, 1, 10).row_groups == 1
    found = estimate(dataset, {dataset.id: 500_000, "dim_accounts": 2}, 122_881, 10)
    assert (found.row_groups, found.joined_rows) == (2, {"dim_accounts": 2})


@pytest.mark.parametrize("scope", [OWNER, MEMBER, SHARING], ids=["owner", "member", "sharing"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_example_of_a_dataset_can_be_asked(
    dataset: str, scope: Scope, marts: duckdb.DuckDBPyConnection
) -> None:
    asked = example(DATASETS[dataset], scope)
    sent = QuerySpec.model_validate(asked.model_dump(mode="json", exclude_defaults=True))
    resolved = resolve(DATASETS[dataset], sent, NOON, Calendar())
    compiled = compile_query(DATASETS[dataset], resolved, scope)
    marts.execute(compiled.sql, dict(compiled.parameters)).fetchall()
