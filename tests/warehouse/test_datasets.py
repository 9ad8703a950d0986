"""Metadata that must not be served is refused, and the refusal names the fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from backend.warehouse.datasets import DatasetError, load_datasets
from backend.warehouse.registry import columns_of, load_registry
from tests.warehouse.hand_made import TABLES, make_manifest, sample_rows, write_tables

Spoil = Callable[[dict[str, Any]], object]


def load(manifest: dict[str, Any], columns: dict[str, dict[str, str]] | None = None) -> Any:
    return load_datasets(manifest, TABLES if columns is None else columns, {})


def spoiled(dataset: str, change: Spoil) -> dict[str, Any]:
    manifest = make_manifest()
    change(manifest["nodes"][f"model.outlay.{dataset}"]["config"]["meta"])
    return manifest


def test_good_metadata_loads() -> None:
    datasets = load(make_manifest())
    assert set(datasets) == set(TABLES)
    transactions = datasets["fct_transactions"]
    assert transactions.columns["tag_ids"].type.name == "list<uuid>"
    assert transactions.columns["amount"].description == "Column amount."
    assert transactions.targets["budget"] is datasets["dim_budgets"]
    assert datasets["dim_tags"].tests == 1
    assert datasets["fct_daily_spending_by_tag"].instead == {"tag_id": ("fct_transactions",)}


FAULTS: dict[str, tuple[str, Spoil, str, str]] = {
    "unknown key": ("dim_tags", lambda m: m.update(filter={}), "filter", "Did you mean 'filters'"),
    "unknown key of access": (
        "dim_tags",
        lambda m: m["access"].update(evryone=True),
        "access.evryone",
        "is not a known key",
    ),
    "no access": ("fct_transactions", lambda m: m.pop("access"), "access", "required"),
    "empty access": (
        "fct_transactions",
        lambda m: m.update(access={}),
        "access.organization_column",
        "required",
    ),
    "access without owner": (
        "fct_transactions",
        lambda m: m["access"].pop("owner_column"),
        "access.owner_column",
        "required",
    ),
    "public and tenant at once": (
        "fct_transactions",
        lambda m: m["access"].update(public=True),
        "access.organization_column",
        "is not a known key",
    ),
    "public rows of organizations": (
        "fct_transactions",
        lambda m: m.update(access={"public": True}, joins={}),
        "access.public",
        "belong to organizations",
    ),
    "everyone by a text": (
        "dim_tags",
        lambda m: m["access"].update(everyone="yes"),
        "access.everyone",
        "True",
    ),
    "access column missing": (
        "fct_transactions",
        lambda m: m["access"].update(owner_column="owner"),
        "access.owner_column",
        "Did you mean 'owner_id'",
    ),
    "access column of another type": (
        "fct_transactions",
        lambda m: m["access"].update(owner_column="vendor"),
        "access.owner_column",
        "is text, it must be uuid",
    ),
    "unknown group": ("dim_tags", lambda m: m.update(group="marts"), "group", "facts"),
    "unknown grain": ("dim_date", lambda m: m.update(time_grain="hour"), "time_grain", "day"),
    "grain without dates": (
        "dim_tags",
        lambda m: m.update(time_grain="day"),
        "time_grain",
        "needs filters.date_column",
    ),
    "no friendly name": ("dim_tags", lambda m: m.pop("friendly_name"), "friendly_name", "required"),
    "filter column missing": (
        "fct_transactions",
        lambda m: m["filters"].update(date_column="day"),
        "filters.date_column",
        "no column 'day'",
    ),
    "filter column of another type": (
        "fct_transactions",
        lambda m: m["filters"].update(date_column="created_at"),
        "filters.date_column",
        "must be date",
    ),
    "restricted column missing": (
        "dim_budgets",
        lambda m: m["access"].update(restricted_columns=["parent"]),
        "access.restricted_columns",
        "Did you mean 'parent_id'",
    ),
    "restricted access column": (
        "dim_budgets",
        lambda m: m["access"].update(restricted_columns=["owner_id"]),
        "access.restricted_columns",
        "is also access.owner_column",
    ),
    "sum over text": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"agg": "sum", "column": "vendor"}),
        "measures.bad.column",
        "sum over 'vendor', which is text",
    ),
    "maximum of a text": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"agg": "max", "column": "vendor"}),
        "measures.bad.column",
        "which is text",
    ),
    "sum over nothing": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"agg": "sum"}),
        "measures.bad",
        "needs a column",
    ),
    "measure over a missing column": (
        "fct_transactions",
        lambda m: m["measures"]["total"].update(column="amont"),
        "measures.total.column",
        "Did you mean 'amount'",
    ),
    "unknown aggregate": (
        "fct_transactions",
        lambda m: m["measures"]["total"].update(agg="avg"),
        "measures.total.agg",
        "sum",
    ),
    "money without its currency": (
        "fct_transactions",
        lambda m: m["measures"]["total"].pop("currency_column"),
        "measures.total",
        "needs a currency_column",
    ),
    "money that is a date": (
        "fct_transactions",
        lambda m: m["measures"]["largest"].update(column="booking_date"),
        "measures.largest.column",
        "money must be decimal",
    ),
    "hostile name of a measure": (
        "fct_transactions",
        lambda m: m["measures"].update({'x" FROM y --': {"agg": "count"}}),
        'measures.x" FROM y --.[key]',
        "match pattern",
    ),
    "hostile name of a join": (
        "fct_transactions",
        lambda m: m["joins"].update({'a" --': {"to": "dim_accounts", "on": "account_id"}}),
        'joins.a" --.[key]',
        "match pattern",
    ),
    "fiscal rows": (
        "fct_monthly_trends",
        lambda m: m.update(time_grain="fiscal_year"),
        "time_grain",
        "organizations differ",
    ),
    "ratio of something unknown": (
        "fct_transactions",
        lambda m: m["measures"]["average"].update(ratio=["totl", "events"]),
        "measures.average.ratio",
        "Did you mean 'total'",
    ),
    "ratio of what is not additive": (
        "fct_transactions",
        lambda m: m["measures"]["average"].update(ratio=["total", "vendors"]),
        "measures.average.ratio",
        "'vendors' is not additive",
    ),
    "ratio of a ratio": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"ratio": ["average", "events"]}),
        "measures.bad.ratio",
        "'average' is not additive",
    ),
    "ratio of three": (
        "fct_transactions",
        lambda m: m["measures"]["average"].update(ratio=["total", "events", "events"]),
        "measures.average.ratio",
        "at most 2",
    ),
    "distinct count called additive": (
        "fct_transactions",
        lambda m: m["measures"]["vendors"].update(additive={"over": "all", "time": "sum"}),
        "measures.vendors.additive",
        "cannot be added up",
    ),
    "exception over a missing column": (
        "fct_daily_spending_by_tag",
        lambda m: m["measures"]["spent"].update(additive={"over": {"except": ["tags"]}}),
        "measures.spent.additive.over.except",
        "no column 'tags'",
    ),
    "join to nowhere": (
        "fct_transactions",
        lambda m: m["joins"]["account"].update(to="dim_account"),
        "joins.account.to",
        "Did you mean 'dim_accounts'",
    ),
    "a copy that is not there": (
        "fct_transactions",
        lambda m: m.update(by_date=True),
        "by_date",
        "no such table in marts_by_date",
    ),
    "a copy by a date that is not there": (
        "dim_tags",
        lambda m: m.update(by_date=True),
        "by_date",
        "needs filters.date_column",
    ),
    "join to a fact": (
        "fct_transactions",
        lambda m: m["joins"]["account"].update(to="fct_monthly_trends"),
        "joins.account.to",
        "is not a dimension",
    ),
    "join over a column that the target lacks": (
        "fct_transactions",
        lambda m: m["joins"]["account"].update(on="budget_id"),
        "joins.account.on",
        "has no column 'budget_id'",
    ),
    "the same access column twice": (
        "fct_transactions",
        lambda m: m["access"].update(account_column="owner_id"),
        "access",
        "names 'owner_id' twice",
    ),
    "restricted column of everybody's dataset": (
        "dim_tags",
        lambda m: m["access"].update(restricted_columns=["organization_id"]),
        "access.restricted_columns",
        "is also access.organization_column",
    ),
    "restricted filter of public data": (
        "dim_date",
        lambda m: m["access"].update(restricted_columns=["date"]),
        "access.restricted_columns",
        "is also filters.date_column",
    ),
    "restricted currency": (
        "fct_transactions",
        lambda m: m["access"].update(restricted_columns=["currency"]),
        "access.restricted_columns",
        "currency_column",
    ),
    "restricted overlap": (
        "fct_daily_spending_by_tag",
        lambda m: m.update(
            filters={"date_column": "spending_date"},
            joins={},
            access=m["access"] | {"restricted_columns": ["tag_id"]},
        ),
        "access.restricted_columns",
        "additive.over.except",
    ),
    "misspelt unit": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"agg": "sum", "column": "amount", "unit": "curency"}),
        "measures.bad.unit",
        "'currency'",
    ),
    "money without a unit": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"agg": "sum", "column": "amount"}),
        "measures.bad.currency_column",
        "is in currency in 'total'",
    ),
    "money in two currencies": (
        "fct_daily_spending_by_tag",
        lambda m: m["measures"].update(
            bad=m["measures"]["spent"] | {"currency_column": "base_currency"}
        ),
        "measures.bad.currency_column",
        "is in currency in 'spent'",
    ),
    "average without its currency": (
        "fct_transactions",
        lambda m: m["measures"].update(bad={"ratio": ["total", "events"]}),
        "measures.bad.unit",
        "not that of its parts",
    ),
    "rate called an amount": (
        "fct_monthly_trends",
        lambda m: m["measures"]["savings_rate"].update(unit="currency", currency_column="currency"),
        "measures.savings_rate.unit",
        "not that of its parts",
    ),
    "rate of two currencies": (
        "fct_monthly_trends",
        lambda m: m["measures"]["savings_rate"].update(ratio=["net", "base_income"]),
        "measures.savings_rate.ratio",
        "amounts in currency by amounts in base_currency",
    ),
    "measure called like another column": (
        "fct_transactions",
        lambda m: m["measures"].update(vendor={"agg": "count"}),
        "measures.vendor",
        "is also a column",
    ),
    "measure called like a comparison": (
        "fct_transactions",
        lambda m: m["measures"].update(total_previous={"agg": "count"}),
        "measures.total_previous",
        "the measure 'total'",
    ),
    "measure called like a share": (
        "fct_transactions",
        lambda m: m["measures"].update(events_share={"agg": "count"}),
        "measures.events_share",
        "the measure 'events'",
    ),
    "measure called like a date by month": (
        "fct_transactions",
        lambda m: m["measures"].update(booking_date_month={"agg": "count"}),
        "measures.booking_date_month",
        "'booking_date' by month",
    ),
    "measure with an underscore before it": (
        "fct_transactions",
        lambda m: m["measures"].update(_level={"agg": "count"}),
        "measures._level.[key]",
        "match pattern",
    ),
    "name of a measure that goes on": (
        "fct_transactions",
        lambda m: m["measures"].update({"x\n": {"agg": "count"}}),
        "measures.x\n.[key]",
        "match pattern",
    ),
    "join called like the rows themselves": (
        "fct_transactions",
        lambda m: m["joins"].update(base={"to": "dim_accounts", "on": "account_id"}),
        "joins.base",
        "the rows of the dataset itself",
    ),
    "hostile column of a measure": (
        "fct_transactions",
        lambda m: m["measures"]["total"].update(column='amount") FROM x --'),
        "measures.total.column",
        "no column",
    ),
    "hostile column of access": (
        "fct_transactions",
        lambda m: m["access"].update(owner_column='owner_id" OR true --'),
        "access.owner_column",
        "no column",
    ),
    "hostile column of a join": (
        "fct_transactions",
        lambda m: m["joins"]["account"].update(on='account_id" = "account_id'),
        "joins.account.on",
        "no column",
    ),
    "hostile dataset of a join": (
        "fct_transactions",
        lambda m: m["joins"]["account"].update(to="dim_accounts; DROP TABLE x"),
        "joins.account.to",
        "no dataset",
    ),
    "column that is a number": (
        "fct_transactions",
        lambda m: m["measures"]["total"].update(column=1),
        "measures.total.column",
        "string",
    ),
    "dimension that leads to itself": (
        "dim_budgets",
        lambda m: m.update(joins={"parent": {"to": "dim_budgets", "on": "budget_id"}}),
        "joins.parent.to",
        "leads back to it",
    ),
    "blank name": (
        "dim_tags",
        lambda m: m.update(friendly_name="  "),
        "friendly_name",
        "match pattern",
    ),
    "blank question": (
        "dim_tags",
        lambda m: m.update(sample_questions=[""]),
        "sample_questions.0",
        "match pattern",
    ),
    "name of another dataset": (
        "fct_transactions",
        lambda m: m.update(friendly_name="Dim_Tags"),
        "friendly_name",
        "is that of dim_tags",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_hostile_metadata_is_refused_by_name(fault: str) -> None:
    dataset, change, key, reason = FAULTS[fault]
    with pytest.raises(DatasetError) as refusal:
        load(spoiled(dataset, change))
    assert (refusal.value.dataset, refusal.value.key) == (dataset, key)
    assert reason in refusal.value.reason
    assert dataset in str(refusal.value)


def test_an_unquoted_on_of_yaml_is_understood() -> None:
    manifest = spoiled(
        "fct_transactions",
        lambda m: m.update(joins={"account": {"to": "dim_accounts", "true": "account_id"}}),
    )
    assert load(manifest)["fct_transactions"].joins["account"].on == "account_id"


def test_a_mart_must_say_whether_it_is_a_dataset() -> None:
    silent = spoiled("dim_tags", lambda m: m.pop("dataset"))
    with pytest.raises(DatasetError, match="neither true nor false"):
        load(silent)
    maybe = spoiled("dim_tags", lambda m: m.update(dataset="yes"))
    with pytest.raises(DatasetError, match="dim_tags: dataset"):
        load(maybe)
    no = spoiled("dim_date", lambda m: m.update(dataset=False))
    assert "dim_date" not in load(no)


def test_a_table_that_dbt_does_not_know_is_refused() -> None:
    with pytest.raises(DatasetError, match="stray"):
        load(make_manifest(), {**TABLES, "stray": {"id": "UUID"}})


def test_a_dataset_without_its_table_is_refused() -> None:
    with pytest.raises(DatasetError, match="dim_tags: dataset: has no table"):
        load(make_manifest(), {name: c for name, c in TABLES.items() if name != "dim_tags"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda node: node.update(description=" "), "dim_tags: description: is missing"),
        (
            lambda node: node["columns"]["name"].update(description=""),
            "dim_tags: columns.name: has no description",
        ),
        (
            lambda node: node["columns"].pop("name"),
            "dim_tags: columns.name: has no description",
        ),
        (
            lambda node: node["columns"].update(ghost={"description": "Gone."}),
            "dim_tags: columns.ghost: is described and is not in the table",
        ),
    ],
    ids=["dataset", "column", "whole column", "ghost"],
)
def test_every_word_must_be_there(change: Spoil, message: str) -> None:
    manifest = make_manifest()
    change(manifest["nodes"]["model.outlay.dim_tags"])
    with pytest.raises(DatasetError, match=message):
        load(manifest)


@pytest.mark.parametrize(
    ("column", "type_"), [('na"me; DROP TABLE x', "VARCHAR"), ("_name", "VARCHAR"), ("geo", "BLOB")]
)
def test_columns_that_no_query_may_carry_are_refused(column: str, type_: str) -> None:
    manifest, tables = make_manifest(), copy.deepcopy(TABLES)
    tables["dim_tags"][column] = type_
    manifest["nodes"]["model.outlay.dim_tags"]["columns"][column] = {"description": "Odd."}
    with pytest.raises(DatasetError, match="dim_tags: columns"):
        load(manifest, tables)


def with_column(dataset: str, column: str, type_: str) -> tuple[dict[str, Any], Any]:
    manifest, tables = make_manifest(), copy.deepcopy(TABLES)
    tables[dataset][column] = type_
    manifest["nodes"][f"model.outlay.{dataset}"]["columns"][column] = {"description": "Odd."}
    return manifest, tables


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("rowid", "the place of a row"),
        ("booking_date_fiscal_year", "'booking_date' by fiscal_year"),
        ("created_at_day", "'created_at' by day"),
        ("total_delta", "the measure 'total'"),
        ("events_change", "the measure 'events'"),
    ],
)
def test_columns_called_like_what_a_query_makes_are_refused(column: str, reason: str) -> None:
    manifest, tables = with_column("fct_transactions", column, "VARCHAR")
    with pytest.raises(DatasetError, match=reason) as refusal:
        load(manifest, tables)
    assert refusal.value.key == f"columns.{column}"


def test_a_join_needs_a_column_of_one_type_on_both_sides() -> None:
    manifest, tables = with_column("dim_accounts", "vendor", "UUID")
    meta = manifest["nodes"]["model.outlay.fct_transactions"]["config"]["meta"]
    meta["joins"]["account"]["on"] = "vendor"
    with pytest.raises(DatasetError, match="'vendor' is text here and uuid in 'dim_accounts'"):
        load(manifest, tables)


def test_dimensions_that_lead_to_each_other_are_refused() -> None:
    manifest, tables = with_column("dim_accounts", "tag_id", "UUID")
    tables["dim_tags"]["account_id"] = "UUID"
    columns = manifest["nodes"]["model.outlay.dim_tags"]["columns"]
    columns["account_id"] = {"description": "Odd."}
    for dataset, to, on in (
        ("dim_accounts", "dim_tags", "tag_id"),
        ("dim_tags", "dim_accounts", "account_id"),
    ):
        meta = manifest["nodes"][f"model.outlay.{dataset}"]["config"]["meta"]
        meta["joins"] = {"other": {"to": to, "on": on}}
        if dataset == "dim_accounts":
            load_with_one_join = load(manifest, tables)
            assert load_with_one_join["dim_accounts"].targets
    with pytest.raises(DatasetError, match=r"dim_accounts: joins: dim_tags leads back to it"):
        load(manifest, tables)


def test_two_models_of_one_name_are_refused() -> None:
    manifest = make_manifest()
    nodes = manifest["nodes"]
    nodes["model.outlay.dim_tags.v2"] = nodes["model.outlay.dim_tags"]
    with pytest.raises(DatasetError, match="dim_tags: name: two models have it"):
        load(manifest)


def test_the_file_and_the_manifest_are_read_from_disk(tmp_path: Path) -> None:
    write_tables(tmp_path / "outlay.duckdb", sample_rows())
    (tmp_path / "manifest.json").write_text(json.dumps(make_manifest()))
    with duckdb.connect(tmp_path / "outlay.duckdb", read_only=True) as connection:
        assert columns_of(connection) == TABLES
        assert set(load_registry(tmp_path / "manifest.json", connection)) == set(TABLES)
