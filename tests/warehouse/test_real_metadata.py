"""The metadata of the real dbt project, and the ready-made questions that rest on its names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import duckdb
import pytest

from api.schemas.exports import ExportCreate
from api.schemas.queries import QueryIn
from api.schemas.saved_queries import SavedQueryCreate
from backend.analytics import questions
from backend.periods import Calendar
from backend.scope import Role, Scope
from backend.warehouse.compiler import compile_counts, compile_query
from backend.warehouse.datasets import Dataset, load_datasets
from backend.warehouse.measures import aggregates
from backend.warehouse.registry import columns_of
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import Dimension, QuerySpec
from orchestration.dataset_page import PAGE, declared, made
from tests.warehouse.dbt_runner import run_dbt
from tests.warehouse.hand_made import ACME, ALICE, NOON, identity

API_PAGE = PAGE.with_name("api.md")
SCOPES = [
    Scope(ALICE, ACME, Role.OWNER),
    Scope(
        ALICE,
        ACME,
        Role.MEMBER,
        shared_account_ids=frozenset({identity(1)}),
        shared_budget_ids=frozenset({identity(2)}),
    ),
]
NAMES = {
    *("dim_accounts", "dim_budgets", "dim_categories", "dim_date", "dim_tags"),
    *("fct_transactions", "fct_cost_events", "fct_budget_daily"),
    *("fct_daily_spending_by_tag", "fct_daily_balance_history", "fct_monthly_trends"),
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    build = tmp_path_factory.mktemp("build")
    run_dbt(build, "parse")
    content: dict[str, Any] = json.loads((build / "target" / "manifest.json").read_text())
    return content


@pytest.fixture(scope="module")
def marts(manifest: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables of the types that the contracts promise, with all of them by date as well."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts; CREATE SCHEMA marts_by_date")
        for node in manifest["nodes"].values():
            if node["resource_type"] == "model" and node["schema"] == "marts":
                columns = ", ".join(
                    f"{name} {column['data_type']}" for name, column in node["columns"].items()
                )
                connection.execute(f"CREATE TABLE marts.{node['name']} ({columns})")
                connection.execute(f"CREATE TABLE marts_by_date.{node['name']} ({columns})")
        yield connection


@pytest.fixture(scope="module")
def datasets(manifest: dict[str, Any], marts: duckdb.DuckDBPyConnection) -> dict[str, Dataset]:
    return load_datasets(manifest, columns_of(marts))


def test_every_mart_is_a_dataset_with_tests(datasets: dict[str, Dataset]) -> None:
    assert set(datasets) == NAMES
    assert all(dataset.tests for dataset in datasets.values())
    assert all(dataset.meta.sample_questions for dataset in datasets.values())


def test_the_page_of_datasets_is_fresh(manifest: dict[str, Any]) -> None:
    assert made(manifest) == PAGE.read_text(encoding="utf-8"), "run 'make docs'"


def test_declared_types_are_those_of_the_tables(
    manifest: dict[str, Any], datasets: dict[str, Dataset]
) -> None:
    """So that the page says what the API says."""
    assert declared(manifest) == {
        name: {column.name: column.type.sql for column in dataset.columns.values()}
        for name, dataset in datasets.items()
    }


def test_every_mart_goes_back_to_extracted_tables(datasets: dict[str, Dataset]) -> None:
    for dataset in datasets.values():
        layers = {node.layer for node in dataset.lineage.nodes}
        assert "source" in layers or dataset.id == "dim_date"
        assert layers <= {"marts", "intermediate", "staging", "source"}
        assert all(node.description for node in dataset.lineage.nodes)


def test_spending_by_tag_points_to_the_transactions(datasets: dict[str, Dataset]) -> None:
    instead = datasets["fct_daily_spending_by_tag"].instead
    assert instead == {"tag_id": ("fct_transactions",)}


def test_the_ready_made_questions_can_be_asked(
    datasets: dict[str, Dataset], marts: duckdb.DuckDBPyConnection
) -> None:
    for scope in SCOPES:
        for question in (questions.spending_by_tag, questions.trends, questions.balance_history):
            spec = question()
            run(marts, datasets[spec.dataset], spec, scope)


def test_the_examples_of_the_api_can_be_asked(
    datasets: dict[str, Dataset], marts: duckdb.DuckDBPyConnection
) -> None:
    """Those of the OpenAPI document and of the page about it, as who tries them out sends them."""
    blocks = re.findall(r"```json\n(.+?)```", API_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    examples = [
        [json.loads(block) for block in blocks],
        QueryIn.model_json_schema()["examples"],
        [ExportCreate.model_json_schema()["examples"][0]["spec"]],
        [SavedQueryCreate.model_json_schema()["examples"][0]["spec"]],
    ]
    for example in chain(*examples):
        spec = QueryIn.model_validate(example).of("fct_transactions")
        for scope in SCOPES:
            run(marts, datasets[spec.dataset], spec, scope)


def test_every_measure_and_every_row_can_be_asked(
    datasets: dict[str, Dataset], marts: duckdb.DuckDBPyConnection
) -> None:
    for scope in SCOPES:
        for dataset in datasets.values():
            run(marts, dataset, QuerySpec(dataset=dataset.id), scope)
            for name, measure in dataset.measures.items():
                parts = aggregates(dataset, measure)
                overlaps = dict.fromkeys(c for part in parts for c in part.additive.exceptions)
                keys = tuple(Dimension(column=column) for column in overlaps)
                spec = QuerySpec(dataset=dataset.id, dimensions=keys, measures=(name,))
                run(marts, dataset, spec, scope)
        counts = compile_counts(list(datasets.values()), scope)
        marts.execute(counts.sql, dict(counts.parameters))


def run(marts: duckdb.DuckDBPyConnection, dataset: Dataset, spec: QuerySpec, scope: Scope) -> None:
    query = compile_query(dataset, resolve(dataset, spec, NOON, Calendar()), scope)
    answered = marts.execute(query.sql, dict(query.parameters)).description
    assert [column[0] for column in answered] == [column.name for column in query.columns]
