"""A refresh in this process, without Dagster's services: `python -m orchestration.run`."""

from __future__ import annotations

import sys

import dagster as dg

from backend.jobs.launcher import FULL_TAG, REFRESH_JOB
from backend.settings import Settings
from backend.warehouse.generation import Generation, read, resolve
from orchestration.graph import build_definitions


class RefreshFailed(Exception):
    """Nothing was published; the message says which steps failed and why."""


def run_refresh(settings: Settings, *, full: bool = False) -> Generation:
    """Run the job `refresh` and answer the generation that it published."""
    job = build_definitions(settings).resolve_job_def(REFRESH_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": settings.log_level}}}},
            tags={FULL_TAG: "true"} if full else {},
            instance=instance,
            raise_on_error=False,
        )
    folder = resolve(settings.warehouse_dir)
    if folder is None or not result.success:
        raise RefreshFailed(_why(result))
    return read(folder)


def _why(result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(_failure(event) for event in result.all_events if event.is_failure)


def _failure(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    told = getattr(data, "user_failure_data", None)
    if told is not None and told.description:
        return f"{event.message} {told.description}"
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:  # Dagster's own wrapping says least
        error = error.cause
    return f"{event.message} {error.message if error else ''}".strip()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{run_refresh(Settings()).id}\n")
    except RefreshFailed as error:
        sys.exit(str(error))
