"""The job `export`: one file for one person, and what the hourly upkeep does about old ones."""

import asyncio
from datetime import date, datetime
from uuid import UUID

import dagster as dg
from sqlalchemy.ext.asyncio import AsyncSession

from backend.analytics.export_run import run_export
from backend.analytics.export_upkeep import end_overdue, sweep_files
from backend.analytics.models import ExportStatus
from backend.db.engine import create_engine
from backend.jobs.launcher import EXPORT_JOB, EXPORT_OP
from backend.scope import Scope
from backend.settings import Settings
from orchestration.organizations import Outcome, for_each_organization
from orchestration.queues import EXPORTS, WORK_TAG

_IDS = {"export_id": str, "organization_id": str}  # and nothing that tells what is in it


def export_job(settings: Settings) -> dg.JobDefinition:
    @dg.op(
        name=EXPORT_OP,
        config_schema=_IDS,
        description="Asks PostgreSQL who the asker is by now, and writes what they may see.",
    )
    def write_export(context: dg.OpExecutionContext) -> None:
        organization_id, export_id = (
            UUID(context.op_config[name]) for name in ("organization_id", "export_id")
        )
        status = asyncio.run(run_export(settings, organization_id, export_id, UUID(context.run_id)))
        context.log.info("Export %s: %s.", export_id, status or "nothing to do")
        if status is ExportStatus.FAILED:
            raise dg.Failure(
                f"Export {export_id} failed. Its record says why, to who asked for it.",
                allow_retries=False,
            )

    @dg.job(
        name=EXPORT_JOB,
        description="Writes the file of one export; the API launches it.",
        executor_def=dg.in_process_executor,
        tags={WORK_TAG: EXPORTS},
    )
    def export() -> None:
        write_export()

    return export


async def tidy_exports(settings: Settings, now: datetime) -> tuple[Outcome[int], int]:
    """What was ended in each organization, and how many files were removed."""

    async def work(session: AsyncSession, _scope: Scope, _today: date) -> int:
        return await end_overdue(session, settings, now)

    outcome = await for_each_organization(settings, "exports", work, now)
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        return outcome, await sweep_files(engine, settings, now)
    finally:
        await engine.dispose()
