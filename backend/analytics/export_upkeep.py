"""What time does to exports: files go after a day, and no record says for ever that it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.analytics import export_files
from backend.analytics.exports import ACTOR, NEVER_RAN, RUN_DIED, finish
from backend.analytics.models import Export, ExportStatus
from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.engine import organization_session
from backend.settings import Settings

QUEUED_FOR = timedelta(days=1)
GRACE = timedelta(hours=1)  # beyond the time that a worker has


async def end_overdue(session: AsyncSession, settings: Settings, now: datetime) -> int:
    """How many of the context's exports had expired, or belong to a worker that is no more."""
    longest = timedelta(seconds=settings.export_timeout_seconds) + GRACE
    overdue = await session.scalars(
        select(Export)
        .where(
            or_(
                and_(Export.status == ExportStatus.SUCCEEDED, Export.expires_at <= now),
                and_(Export.status == ExportStatus.RUNNING, Export.started_at < now - longest),
                and_(Export.status == ExportStatus.QUEUED, Export.created_at < now - QUEUED_FOR),
            )
        )
        .with_for_update(skip_locked=True)
    )
    count = 0
    for export in overdue:
        before = state_of(export)
        if export.status == ExportStatus.SUCCEEDED:
            export.status = ExportStatus.EXPIRED
        else:
            never_ran = export.status == ExportStatus.QUEUED
            finish(export, ExportStatus.FAILED, NEVER_RAN if never_ran else RUN_DIED, now)
        await session.flush()
        after = state_of(export)
        await record(session, ACTOR, "end", "export", export.id, before=before, after=after)
        count += 1
    return count


async def sweep_files(engine: AsyncEngine, settings: Settings, now: datetime) -> int:
    """How many files were removed that no export has, or has any more."""
    root = settings.exports_dir
    removed = 0
    for organization_id in export_files.organizations(root):
        async with organization_session(engine, organization_id) as session:
            known = await session.scalars(
                select(Export.id).where(
                    Export.organization_id == organization_id,
                    Export.status.in_((ExportStatus.RUNNING, ExportStatus.SUCCEEDED)),
                )
            )
            ids = frozenset(UUID(int=i.int) for i in known)
        removed += export_files.sweep(root, organization_id, ids, now)
    return removed
