"""Exports as their askers see them: asked for, looked at, cancelled, removed.

The record in PostgreSQL is what counts: the worker (`export_run`) takes up only what is queued, and
ends when it is told that its record was cancelled. Dagster is never asked inside a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from anyio import to_thread
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.analytics import export_files
from backend.analytics.models import Export, ExportStatus
from backend.analytics.rights import own_things, require_saver, rights_of
from backend.analytics.stored_specs import kept
from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.outage import reachable_session
from backend.errors import Forbidden, NotFound, TooManyRequests, Unavailable
from backend.jobs.launcher import Launcher, RunState
from backend.jobs.models import RefreshStatus
from backend.scope import Scope
from backend.warehouse.formats import Format
from backend.warehouse.spec import QuerySpec

NEWEST_FIRST = Order((Export.id,), descending=True)
UNDER_WAY = (ExportStatus.QUEUED, ExportStatus.RUNNING)

# Between the record and the run that it is told of lies one call; if it never came, it never will.
LAUNCHED_WITHIN = timedelta(minutes=2)

ACTOR = "system:export"  # of what nobody asked for

_KIND = "export"
_LOCK_SPACE = 5  # beside those of budgets, categories, idempotency keys and rules
_RETRY_AFTER_SECONDS = 30
RUN_DIED = "The worker ended before the file was done. Ask for the export again."
NEVER_RAN = "It could not be started. Ask for the export again."


@dataclass(frozen=True, slots=True)
class Wanted:
    """`spec` was found to be valid for who asks."""

    spec: QuerySpec
    format: Format
    file_name: str


@dataclass(frozen=True, slots=True)
class KnownExport:
    """`note` says why the state may be older than it looks."""

    export: Export
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What one person may have: exports `under_way` at once, and `kept_bytes` of files."""

    under_way: int
    kept_bytes: int


async def request_export(
    engine: AsyncEngine,
    scope: Scope,
    launcher: Launcher,
    wanted: Wanted,
    *,
    share: Share,
    now: datetime,
) -> Export:
    """Queue an export; TooManyRequests for who has had their `share`."""
    require_saver(scope)
    await _settle_own(engine, scope, launcher, share.under_way, now)
    async with reachable_session(engine, scope.organization_id) as session:
        await _hold_turn(session, scope)
        await _refuse_more_than(share, session, scope, now)
        export = Export(
            organization_id=scope.organization_id,
            requested_by=scope.user_id,
            api_token_id=scope.api_token_id,
            spec=kept(wanted.spec),
            format=wanted.format,
            file_name=wanted.file_name,
            rights=rights_of(scope) | await own_things(session, scope),
        )
        session.add(export)
        await session.flush()
        await record(session, scope, "create", _KIND, export.id, after=state_of(export))
    try:
        run_id = await launcher.launch_export(export.id, export.organization_id)
    except BaseException:
        await _take_back(engine, scope, export.id)
        raise
    async with reachable_session(engine, scope.organization_id) as session:
        export = await find_export(session, scope, export.id, lock=True)
        export.run_id = run_id  # the worker may have said so already
    return export


async def list_exports(
    session: AsyncSession, scope: Scope, window: Window, status: ExportStatus | None = None
) -> Sequence[Export]:
    """The caller's own."""
    statement = select(Export).where(_own(scope))
    if status is not None:
        statement = statement.where(Export.status == status)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_export(
    engine: AsyncEngine, scope: Scope, export_id: UUID, launcher: Launcher, now: datetime
) -> KnownExport:
    """One of the caller's own; of a worker that died it is not said that it goes on."""
    async with reachable_session(engine, scope.organization_id) as session:
        export = await find_export(session, scope, export_id)
    if export.status not in UNDER_WAY:
        return KnownExport(export)
    try:
        return KnownExport(await _settle(engine, scope, export, launcher, now))
    except Unavailable as error:
        return KnownExport(export, f"This is the last known state. {error.detail}")


async def end_export(
    session: AsyncSession, scope: Scope, export_id: UUID, now: datetime
) -> tuple[Export, bool]:
    """Cancel one that is under way, or delete the record of another; whether it was under way.

    Once that is committed, `clean_up`.
    """
    if scope.read_only:
        raise Forbidden("This token may only read.")
    export = await find_export(session, scope, export_id, lock=True)
    before = state_of(export)
    was_under_way = export.status in UNDER_WAY
    if was_under_way:
        finish(export, ExportStatus.CANCELLED, "You cancelled it.", now)
        await session.flush()
        after = state_of(export)
        await record(session, scope, "cancel", _KIND, export_id, before=before, after=after)
    else:
        await session.delete(export)
        await session.flush()
        await record(session, scope, "delete", _KIND, export_id, before=before)
    return export, was_under_way


async def clean_up(launcher: Launcher, root: Path, export: Export, *, was_under_way: bool) -> None:
    """Take the file away; without an answer from Dagster the worker finds out by itself."""
    if was_under_way and export.run_id is not None:
        with suppress(Unavailable):
            await launcher.terminate(export.run_id)
    await to_thread.run_sync(export_files.remove, root, export.organization_id, export.id)


async def find_export(
    session: AsyncSession, scope: Scope, export_id: UUID, *, lock: bool = False
) -> Export:
    statement = select(Export).where(_own(scope), Export.id == export_id)
    export = await session.scalar(locked(statement) if lock else statement)
    if export is None:
        raise NotFound("There is no such export.")
    return export


def finish(export: Export, status: ExportStatus, reason: str | None, now: datetime) -> None:
    export.status = status
    export.reason = reason
    export.finished_at = now


async def _settle_own(
    engine: AsyncEngine, scope: Scope, launcher: Launcher, most: int, now: datetime
) -> None:
    """See to it that workers that died do not count, before somebody is refused for them."""
    async with reachable_session(engine, scope.organization_id) as session:
        open_ones = (
            await session.scalars(select(Export).where(_own(scope), _has_status(UNDER_WAY)))
        ).all()
    if len(open_ones) >= most:
        for export in open_ones:
            await _settle(engine, scope, export, launcher, now)


async def _settle(
    engine: AsyncEngine, scope: Scope, export: Export, launcher: Launcher, now: datetime
) -> Export:
    """Raises Unavailable when Dagster does not answer."""
    if export.run_id is not None:
        state = await launcher.run_state(export.run_id)
        end = _end_of(state)
    elif now - export.created_at > LAUNCHED_WITHIN:
        end = ExportStatus.FAILED, NEVER_RAN
    else:
        end = None
    if end is None:
        return export
    async with reachable_session(engine, scope.organization_id) as session:
        export = await find_export(session, scope, export.id, lock=True)
        if export.status in UNDER_WAY:  # a worker writes how it ended before its run ends
            before = state_of(export)
            finish(export, *end, now)
            await session.flush()
            after = state_of(export)
            await record(session, ACTOR, "end", _KIND, export.id, before=before, after=after)
    return export


def _end_of(state: RunState) -> tuple[ExportStatus, str] | None:
    match state.status:
        case RefreshStatus.QUEUED | RefreshStatus.RUNNING:
            return None
        case RefreshStatus.CANCELLED:
            return ExportStatus.CANCELLED, "An operator cancelled the run."
        case _:
            return ExportStatus.FAILED, RUN_DIED


async def _take_back(engine: AsyncEngine, scope: Scope, export_id: UUID) -> None:
    """What could not be launched was never asked for."""
    async with reachable_session(engine, scope.organization_id) as session:
        export = await find_export(session, scope, export_id, lock=True)
        before: dict[str, Any] = state_of(export)
        await session.delete(export)
        await session.flush()
        await record(session, scope, "delete", _KIND, export_id, before=before)


async def _hold_turn(session: AsyncSession, scope: Scope) -> None:
    """Two requests of a person are counted one after the other."""
    name = func.hashtextextended(f"{scope.organization_id} {scope.user_id}", _LOCK_SPACE)
    await session.execute(select(func.pg_advisory_xact_lock(name)))


async def _refuse_more_than(
    share: Share, session: AsyncSession, scope: Scope, now: datetime
) -> None:
    is_kept = _has_status({ExportStatus.SUCCEEDED}) & (Export.expires_at > now)
    statement = select(
        func.count().filter(_has_status(UNDER_WAY)),
        func.coalesce(func.sum(Export.bytes).filter(is_kept), 0),
    ).where(_own(scope))
    under_way, kept_bytes = (await session.execute(statement)).one()
    if under_way >= share.under_way:
        raise TooManyRequests(
            f"You have {share.under_way} exports under way, as many as one may have at once. Wait "
            "for one of them, or cancel one with DELETE /api/analytics/exports/{id}.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )
    if kept_bytes >= share.kept_bytes:
        raise TooManyRequests(
            f"Your exports take {kept_bytes:,} bytes, and one may keep {share.kept_bytes:,}. "
            "Remove one with DELETE /api/analytics/exports/{id}, or wait until one expires.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )


def _own(scope: Scope) -> ColumnElement[bool]:
    return (Export.organization_id == scope.organization_id) & (
        Export.requested_by == scope.user_id
    )


def _has_status(statuses: Collection[ExportStatus]) -> ColumnElement[bool]:
    return Export.status.in_(statuses)
