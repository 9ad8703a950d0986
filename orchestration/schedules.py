"""What starts without being asked: a refresh by night and after changes, and upkeep by the hour."""

import time

import dagster as dg

from backend.jobs.launcher import FULL_TAG, REFRESH_JOB
from backend.settings import Settings
from backend.warehouse.generation import read, resolve
from orchestration.changes import Pace, Refreshes, Watch, decide, observe
from orchestration.refresh import refresh_job

TICK_SECONDS = 5
_FINISHED_STATUSES = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_ACTIVE_STATUSES = [  # of any job: "materialize all" refreshes too
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

nightly = dg.ScheduleDefinition(
    name="nightly_refresh",
    job=refresh_job,
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    description=(
        "Days go by without writes too: balances are carried on, periods open and close. In full, "
        "so that whatever an incremental refresh might have missed lasts a day at most."
    ),
    tags={"outlay/trigger": "nightly", FULL_TAG: "true"},
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def hourly(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="hourly_upkeep",
        job=job,
        cron_schedule="5 * * * *",
        execution_timezone="UTC",
        description="Midnight comes to different organizations at different hours.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def after_changes(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="refresh_after_changes",
        job=refresh_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes when writes have settled, and not much later under constant writes.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        decision = decide(
            Watch.load(context.cursor),
            observe(settings.role_url("outlay_extract").render_as_string(hide_password=False)),
            _refreshes(context.instance, settings),
            Pace.of(settings),
            time.time(),
        )
        cursor = decision.watch.model_dump_json()
        if not decision.refresh:
            return dg.SensorResult(skip_reason=decision.reason, cursor=cursor)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(tags={"outlay/trigger": "changes"})], cursor=cursor
        )

    return sensor


def _refreshes(instance: dg.DagsterInstance, settings: Settings) -> Refreshes:
    folder = resolve(settings.warehouse_dir)
    last = instance.get_runs(
        dg.RunsFilter(job_name=REFRESH_JOB, statuses=_FINISHED_STATUSES), limit=1
    )
    return Refreshes(
        published=None if folder is None else read(folder).source.written,
        active=instance.get_runs_count(dg.RunsFilter(statuses=_ACTIVE_STATUSES)) > 0,
        last_failed=bool(last) and last[0].status is dg.DagsterRunStatus.FAILURE,
    )
