"""When a refresh begins, it does the work of those that wait: its snapshot is yet to be taken.

So however many triggers come at once, and wherever from (API processes, sensor, schedule, Dagster
UI), one refresh runs and at most one follows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from backend.jobs.launcher import DONE_BY_TAG, FULL_TAG, REFRESH_JOB


def merge_waiting(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Sequence[str]:
    """End the refreshes that wait, in favour of `run`, which begins; answers their ids.

    One that is to build everything anew goes on waiting unless `run` does that too.
    """
    if run.job_name != REFRESH_JOB:  # a part of the graph, picked by hand
        return []
    waiting = instance.get_runs(
        dg.RunsFilter(job_name=REFRESH_JOB, statuses=[dg.DagsterRunStatus.QUEUED])
    )
    merged = [other for other in waiting if _is_full(run) or not _is_full(other)]
    for other in merged:
        # Named first: who follows it must never see it ended by nobody.
        instance.add_run_tags(other.run_id, {DONE_BY_TAG: run.run_id})
        instance.report_run_canceled(other, f"Run {run.run_id} began meanwhile and does its work.")
    return [other.run_id for other in merged]


def _is_full(run: dg.DagsterRun) -> bool:
    return run.tags.get(FULL_TAG) == "true"
