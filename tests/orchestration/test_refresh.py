"""The whole graph on a real PostgreSQL, with real dbt: a generation, or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from backend.jobs.launcher import FULL_TAG
from backend.jobs.progress import STEPS
from backend.settings import Settings
from backend.warehouse.build import sole_builder
from backend.warehouse.checks import mart_rows_of, reconciliation_of
from backend.warehouse.generation import published, read, resolve
from backend.warehouse.registry import columns_of
from orchestration import dbt_project
from orchestration.graph import build_definitions
from orchestration.run import RefreshFailed, run_refresh
from tests.orchestration.small_ledger import UNUSED_TAG, instance_with_ledger

# One balance of the small ledger, by the least there is; no test of the models knows it.
ALTERED = "(balance + CASE WHEN balance = 512.34 THEN 0.0001 ELSE 0 END)::DECIMAL(18, 4)"


@pytest.fixture(scope="module")
def unpublished(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with instance_with_ledger(
        server_url, tmp_path_factory.mktemp("refreshed") / "home"
    ) as settings:
        yield settings


@pytest.fixture(scope="module")
def definitions(unpublished: Settings) -> dg.Definitions:
    return build_definitions(unpublished)


@pytest.fixture(scope="module")
def materialized(definitions: dg.Definitions) -> dg.ExecuteInProcessResult:
    return _materialize(definitions)


@pytest.fixture(scope="module")
def instance(unpublished: Settings, materialized: dg.ExecuteInProcessResult) -> Settings:
    """An instance that has published."""
    assert materialized.success
    return unpublished


@pytest.fixture
def changed_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project that a test may spoil; refreshes use it."""
    copy = tmp_path / "dbt"
    shutil.copytree(
        dbt_project.PROJECT, copy, ignore=shutil.ignore_patterns(*dbt_project.NOT_PARSED)
    )
    monkeypatch.setattr(dbt_project, "PROJECT", copy)
    return copy


def _materialize(
    definitions: dg.Definitions, selection: Sequence[dg.AssetKey] | None = None
) -> dg.ExecuteInProcessResult:
    """As the UI does it: without the job `refresh`."""
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as dagster:
        return job.execute_in_process(
            instance=dagster, asset_selection=selection, raise_on_error=False
        )


def _failures(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(
        event.step_failure_data.user_failure_data.description or ""
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    )


def test_a_refresh_describes_what_it_published(instance: Settings) -> None:
    folder = resolve(instance.warehouse_dir)
    assert folder is not None
    generation = read(folder)

    assert generation.organizations == 1
    assert generation.source.snapshot
    assert generation.dbt.passed > 0
    assert generation.dbt.failed == 0
    assert {r.fact for r in generation.reconciliation} >= {"dim_tags", "fct_cost_events.amount"}
    with duckdb.connect(folder / "outlay.duckdb", read_only=True) as connection:
        schemas = connection.execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()
        marts = columns_of(connection)
        rows = connection.execute("SELECT organization_id FROM marts.dim_tags").fetchall()
    assert {schema for (schema,) in schemas} == {"marts", "marts_by_date", "checks", "intermediate"}
    assert generation.tables.keys() == marts.keys()
    [organization] = {row[0] for row in rows}
    found = reconciliation_of(folder, organization)
    assert {c.fact for c in found} == {r.fact for r in generation.reconciliation}
    assert all(c.agrees for c in found)
    assert mart_rows_of(folder, organization)["dim_tags"] == 2
    assert generation.tables["dim_tags"] == len(rows) == 2


def test_materialize_all_publishes_with_green_checks_and_tells_what_the_tables_are(
    instance: Settings, definitions: dg.Definitions, materialized: dg.ExecuteInProcessResult
) -> None:
    assert resolve(instance.warehouse_dir) is not None
    evaluations = materialized.get_asset_check_evaluations()
    assert all(evaluation.passed for evaluation in evaluations)
    expected = definitions.resolve_asset_graph().asset_check_keys
    assert {e.asset_check_key for e in evaluations} == expected
    models = {
        m.asset_key: m.metadata for m in materialized.asset_materializations_for_node("dbt_build")
    }
    metadata = models[dg.AssetKey(["marts", "dim_tags"])]
    assert metadata["dagster/row_count"].value == 2
    schema = metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    columns = {column.name: column for column in schema.columns}
    assert columns["tag_id"].type == "UUID"
    assert columns["tag_id"].description
    raw = {m.asset_key: m.metadata for m in materialized.asset_materializations_for_node("extract")}
    assert raw[dg.AssetKey(["raw", "transactions"])]["dagster/row_count"].value == 3


def test_every_asset_has_a_group_an_owner_a_kind_and_a_description(
    definitions: dg.Definitions,
) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}

    groups = {spec.group_name for spec in specs.values()}
    assert groups == {"source", "staging", "intermediate", "marts", "publication"}
    assert all(spec.owners == ["team:data"] for spec in specs.values())
    assert all("duckdb" in spec.kinds for spec in specs.values())
    assert all(spec.description for spec in specs.values())
    graph = definitions.resolve_asset_graph()
    unchecked = {key for key, spec in specs.items() if spec.group_name == "marts"} - {
        check.asset_key for check in graph.asset_check_keys
    }
    assert not unchecked, "every mart has a dbt test"


def test_the_parts_hang_together(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    roots = {key for key in keys if not graph.get(key).parent_keys}
    calendar = dg.AssetKey(["intermediate", "int_calendar"])  # made from nothing, for everybody

    assert {key.path[0] for key in roots - {calendar}} == {"raw"}
    assert keys == graph.executable_asset_keys, "nothing is read that the extract does not bring"
    assert graph.get(dg.AssetKey("generation")).child_keys == set()
    assert dg.AssetKey("reconciliation") in graph.get(dg.AssetKey("generation")).parent_keys
    job = definitions.resolve_job_def("refresh")
    assert job.asset_layer.executable_asset_keys == graph.executable_asset_keys


def test_the_steps_that_progress_is_told_in_are_those_of_the_job(
    definitions: dg.Definitions,
) -> None:
    job = definitions.resolve_job_def("refresh")
    assert {node.name for node in job.graph.nodes} == STEPS.keys()


def test_refreshes_start_by_night_and_after_changes_unless_switched_off(
    definitions: dg.Definitions,
) -> None:
    schedule = definitions.resolve_schedule_def("nightly_refresh")
    sensor = definitions.resolve_sensor_def("refresh_after_changes")

    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert schedule.job_name == sensor.job_name == "refresh"
    assert schedule.tags[FULL_TAG] == "true"


@pytest.mark.parametrize("part", [["generation"], ["reconciliation"], ["marts", "dim_tags"]])
def test_a_part_alone_is_refused_with_what_to_do(
    instance: Settings, definitions: dg.Definitions, part: list[str]
) -> None:
    before = resolve(instance.warehouse_dir)

    result = _materialize(definitions, [dg.AssetKey(part)])

    assert not result.success
    assert "launch the job `refresh`, or materialize all" in _failures(result)
    assert resolve(instance.warehouse_dir) == before


def test_what_was_not_built_and_reconciled_is_not_published(
    instance: Settings, definitions: dg.Definitions
) -> None:
    before = resolve(instance.warehouse_dir)
    keys = definitions.resolve_asset_graph().executable_asset_keys
    raw = [key for key in keys if key.path[0] == "raw"]

    result = _materialize(definitions, [*raw, dg.AssetKey("generation")])

    assert "did not do: dbt build of all models and tests, reconciliation" in _failures(result)
    assert resolve(instance.warehouse_dir) == before


def test_a_refresh_without_organizations_fails_at_once(
    instance: Settings, settings: Settings
) -> None:
    before = resolve(instance.warehouse_dir)
    empty = instance.model_copy(update={"database_url": settings.database_url})

    with pytest.raises(RefreshFailed, match="no organization"):
        run_refresh(empty)

    assert resolve(instance.warehouse_dir) == before


def test_one_refresh_at_a_time(instance: Settings) -> None:
    before = [generation.id for generation in published(instance.warehouse_dir)]

    with (
        sole_builder(instance.warehouse_dir),
        pytest.raises(RefreshFailed, match=f"Process {os.getpid()} is already building"),
    ):
        run_refresh(instance)

    assert [generation.id for generation in published(instance.warehouse_dir)] == before


def test_a_failing_dbt_test_publishes_nothing(instance: Settings, changed_project: Path) -> None:
    before = resolve(instance.warehouse_dir)
    (changed_project / "tests" / "there_are_no_accounts.sql").write_text(
        "SELECT account_id FROM {{ ref('dim_accounts') }}"
    )

    with pytest.raises(RefreshFailed, match="there_are_no_accounts"):
        run_refresh(instance)

    assert resolve(instance.warehouse_dir) == before


def test_marts_that_differ_from_postgresql_are_not_published(
    instance: Settings, changed_project: Path
) -> None:
    before = resolve(instance.warehouse_dir)
    marts = changed_project / "models" / "marts"
    for mart, change in (
        ("dim_tags", f"SELECT * FROM (\n{{}}\n) WHERE name <> '{UNUSED_TAG}'\n"),
        ("fct_daily_balance_history", f"SELECT * REPLACE ({ALTERED} AS balance) FROM (\n{{}}\n)\n"),
    ):
        model = marts / f"{mart}.sql"
        model.write_text(change.format(model.read_text()))

    with pytest.raises(RefreshFailed, match="reconciliation: dim_tags,fct_daily_balance_history"):
        run_refresh(instance)

    assert resolve(instance.warehouse_dir) == before


def test_a_dataset_that_does_not_say_who_may_see_it_is_not_published(
    instance: Settings, changed_project: Path
) -> None:
    before = resolve(instance.warehouse_dir)
    yml = changed_project / "models" / "marts" / "dim_tags.yml"
    lines = yml.read_text().splitlines(keepends=True)
    yml.write_text("".join(line for line in lines if "access:" not in line))
    assert len(lines) == len(yml.read_text().splitlines()) + 1

    with pytest.raises(RefreshFailed, match=r"(?s)dim_tags.*access"):
        run_refresh(instance)

    assert resolve(instance.warehouse_dir) == before


def test_the_manifest_is_parsed_again_only_when_the_project_has_changed(
    instance: Settings, changed_project: Path
) -> None:
    manifest = dbt_project.prepare_manifest(instance)
    parsed_at = manifest.stat().st_mtime_ns

    assert dbt_project.prepare_manifest(instance).stat().st_mtime_ns == parsed_at

    (changed_project / "tests" / "another.sql").write_text(
        "SELECT 1 FROM {{ ref('dim_accounts') }} WHERE false"
    )
    assert "test.outlay.another" in dbt_project.prepare_manifest(instance).read_text()


def test_a_project_that_does_not_parse_says_why(instance: Settings, changed_project: Path) -> None:
    (changed_project / "tests" / "broken.sql").write_text("SELECT * FROM {{ ref('dim_tags' }}")

    with pytest.raises(dbt_project.DbtProjectError, match=r"broken\.sql"):
        dbt_project.prepare_manifest(instance)
