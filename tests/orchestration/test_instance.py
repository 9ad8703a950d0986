"""What Dagster is told to be, and how it notices a run whose process is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from backend.settings import Settings
from orchestration.exports import export_job
from orchestration.instance import DATABASE_VARIABLE, workspace_path, write_instance
from orchestration.queues import WORK_TAG
from orchestration.refresh import refresh_job
from orchestration.run_launcher import WatchfulRunLauncher
from orchestration.upkeep import upkeep_job


@pytest.fixture
def dagster(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name, value in write_instance(settings, 4000).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance


def test_runs_are_stored_in_postgresql(dagster: dg.DagsterInstance) -> None:
    for storage in (dagster.run_storage, dagster.event_log_storage, dagster.schedule_storage):
        assert "postgres" in type(storage).__module__
    assert not dagster.telemetry_enabled
    assert dagster.run_retries_enabled
    assert dagster.run_monitoring_enabled


def test_one_refresh_at_a_time_and_exports_beside_it(
    dagster: dg.DagsterInstance, settings: Settings
) -> None:
    queue = dagster.get_concurrency_config().run_queue_config

    assert queue is not None
    limits = {limit["value"]: limit["limit"] for limit in queue.tag_concurrency_limits}
    assert limits == {"refresh": 1, "upkeep": 1, "export": settings.export_concurrency}
    assert {limit["key"] for limit in queue.tag_concurrency_limits} == {WORK_TAG}
    assert queue.max_concurrent_runs == sum(limits.values())
    assert refresh_job.tags[WORK_TAG] == "refresh"
    assert upkeep_job(settings).tags[WORK_TAG] == "upkeep"
    assert export_job(settings).tags[WORK_TAG] == "export"


def test_passwords_stay_in_the_environment(settings: Settings) -> None:
    variables = write_instance(settings, 4000)

    password = settings.secrets.dagster_password.get_secret_value()
    assert password in variables[DATABASE_VARIABLE]
    for path in settings.dagster_home.iterdir():
        assert f":{password}@" not in path.read_text()


def test_the_workspace_is_the_one_code_server(settings: Settings) -> None:
    write_instance(settings, 4711, grpc_host="dagster-code")

    text = workspace_path(settings).read_text()

    assert '"dagster-code"' in text
    assert "4711" in text


def test_a_run_whose_code_server_has_stopped_is_found_out(dagster: dg.DagsterInstance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    tags = {GRPC_INFO_TAG: f'{{"host": "127.0.0.1", "port": {port}}}'}
    run = create_run_for_test(dagster, status=dg.DagsterRunStatus.STARTED, tags=tags)
    launcher = dagster.run_launcher

    assert isinstance(launcher, WatchfulRunLauncher)
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND
