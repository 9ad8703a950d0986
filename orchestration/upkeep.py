"""What the calendar does by itself: due expenses, budgets' new periods, and files left behind.

Hourly, since midnight comes to different organizations at different times. Each part can be done
again at any time: what is done already is left as it is.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import dagster as dg
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.rollover import roll_over
from backend.db.engine import create_engine, organization_session
from backend.ledger.receipt_files import open_receipt_files, sweep
from backend.ledger.receipts import stored_keys
from backend.ledger.recurring_booking import Booked, book_due
from backend.scope import Scope
from backend.settings import Settings
from orchestration.exports import tidy_exports
from orchestration.organizations import Outcome, for_each_organization
from orchestration.queues import UPKEEP, WORK_TAG

UPKEEP_JOB = "upkeep"
TOMBSTONES_KEPT_FOR = timedelta(days=7)  # a base that is older calls for a full refresh


async def book_recurring(settings: Settings, now: datetime) -> Outcome[Booked]:
    return await for_each_organization(settings, "recurring", book_due, now)


async def roll_budgets_over(settings: Settings, now: datetime) -> Outcome[list[UUID]]:
    async def work(session: AsyncSession, scope: Scope, today: date) -> list[UUID]:
        return await roll_over(session, scope, today)

    return await for_each_organization(settings, "rollover", work, now)


async def sweep_receipts(settings: Settings, now: datetime) -> int:
    """How many files were removed that no receipt names."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)

    async def known(organization_id: UUID) -> Iterable[str]:
        async with organization_session(engine, organization_id) as session:
            return await stored_keys(session, organization_id)

    try:
        return await sweep(open_receipt_files(settings), known, now)
    finally:
        await engine.dispose()


async def forget_tombstones(settings: Settings) -> int:
    """How many keys of deleted rows were forgotten that no refresh will ask for."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        async with AsyncSession(engine) as session, session.begin():
            return await session.scalar(select(func.forget_tombstones(TOMBSTONES_KEPT_FOR))) or 0
    finally:
        await engine.dispose()


def upkeep_job(settings: Settings) -> dg.JobDefinition:
    @dg.op(description="Books what is due of recurring expenses, each date once.")
    def book_recurring_expenses(context: dg.OpExecutionContext) -> None:
        outcome = asyncio.run(book_recurring(settings, datetime.now(UTC)))
        booked = sum(len(b.transactions) for b in outcome.answers.values())
        paused = sum(len(b.paused) for b in outcome.answers.values())
        context.add_output_metadata({"booked": booked, "paused": paused})
        _refuse_failures(outcome.failures)

    @dg.op(description="Carries over what ended periods of budgets leave to those that began.")
    def roll_budgets(context: dg.OpExecutionContext) -> None:
        outcome = asyncio.run(roll_budgets_over(settings, datetime.now(UTC)))
        changed = sum(len(budgets) for budgets in outcome.answers.values())
        context.add_output_metadata({"budgets": changed})
        _refuse_failures(outcome.failures)

    @dg.op(description="Removes files of receipts that no row names.")
    def sweep_receipt_files(context: dg.OpExecutionContext) -> None:
        removed = asyncio.run(sweep_receipts(settings, datetime.now(UTC)))
        context.add_output_metadata({"removed": removed})

    @dg.op(description="Ends exports that are out of time, and removes their files.")
    def tidy_export_files(context: dg.OpExecutionContext) -> None:
        outcome, removed = asyncio.run(tidy_exports(settings, datetime.now(UTC)))
        ended = sum(outcome.answers.values())
        context.add_output_metadata({"ended": ended, "removed": removed})
        _refuse_failures(outcome.failures)

    @dg.op(description="Forgets what was deleted so long ago that every refresh has seen it.")
    def forget_old_deletions(context: dg.OpExecutionContext) -> None:
        forgotten = asyncio.run(forget_tombstones(settings))
        context.add_output_metadata({"forgotten": forgotten})

    @dg.job(
        name=UPKEEP_JOB,
        description="What the calendar does in every organization; one's failure is its own.",
        executor_def=dg.in_process_executor,
        tags={WORK_TAG: UPKEEP},
    )
    def upkeep() -> None:
        book_recurring_expenses()
        roll_budgets()
        sweep_receipt_files()
        tidy_export_files()
        forget_old_deletions()

    return upkeep


def _refuse_failures(failures: dict[UUID, str]) -> None:
    """What went well is kept; the run ends as failed and says whose work is missing."""
    if failures:
        named = ", ".join(f"{identity} ({kind})" for identity, kind in failures.items())
        raise dg.Failure(
            f"It failed for {len(failures)} organizations: {named}. The log says why.",
            allow_retries=False,
        )
