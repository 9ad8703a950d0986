"""Callers' requests for a refresh, and how each of them stands.

Dagster is never asked inside a transaction: when it hangs, no database connection waits with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.locking import locked
from backend.db.outage import reachable_session
from backend.errors import Forbidden, NotFound, Unavailable
from backend.jobs.launcher import Launcher
from backend.jobs.models import Refresh, RefreshStatus
from backend.scope import Role, Scope

PATIENCE_SECONDS = 5.0
RETRY_AFTER_SECONDS = 5

_FINISHED = {RefreshStatus.SUCCEEDED, RefreshStatus.FAILED, RefreshStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class KnownRefresh:
    """`note` says why the state may be older than it looks."""

    refresh: Refresh
    note: str | None = None


async def request_refresh(
    engine: AsyncEngine,
    scope: Scope,
    launcher: Launcher,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Refresh:
    """Ask for a refresh that includes all that is committed now.

    A run that still waits for its turn is shared, so at most one runs and one waits. That holds
    within a process: two processes that ask in the same moment may launch one run each, which
    Dagster's queue then runs one after the other.
    """
    if scope.read_only or scope.role is Role.VIEWER:
        raise Forbidden("Asking for a refresh takes more than reading rights.")
    run_id = await _join_or_launch(launcher, patience_seconds)
    async with reachable_session(engine, scope.organization_id) as session:
        refresh = Refresh(
            organization_id=scope.organization_id, requested_by=scope.user_id, run_id=run_id
        )
        session.add(refresh)
        await session.flush()
        await session.refresh(refresh)
        await record(session, scope, "create", "refresh", refresh.id, after=state_of(refresh))
    return refresh


async def get_refresh(
    engine: AsyncEngine, scope: Scope, refresh_id: UUID, launcher: Launcher
) -> KnownRefresh:
    """A request of the caller's, or of their whole organization for those who see it."""
    async with reachable_session(engine, scope.organization_id) as session:
        refresh = await _find(session, scope, refresh_id)
    if refresh.status in _FINISHED:
        return KnownRefresh(refresh)
    try:
        state = await launcher.run_state(refresh.run_id)
    except Unavailable as error:
        return KnownRefresh(refresh, f"This is the last known state. {error.detail}")
    async with reachable_session(engine, scope.organization_id) as session:
        refresh = await _find(session, scope, refresh_id, lock=True)
        if refresh.status not in _FINISHED:  # somebody else's answer may have been newer
            refresh.status = state.status
            refresh.generation = state.generation
            refresh.reason = state.reason
            refresh.finished_at = state.finished_at
    return KnownRefresh(refresh)


async def _join_or_launch(launcher: Launcher, patience_seconds: float) -> UUID:
    try:
        async with asyncio.timeout(patience_seconds):
            await launcher.turn.acquire()
    except TimeoutError:
        raise Unavailable(
            "Many refreshes are being asked for at once.", retry_after_seconds=RETRY_AFTER_SECONDS
        ) from None
    try:
        return await launcher.queued_refresh() or await launcher.launch_refresh()
    finally:
        launcher.turn.release()


async def _find(
    session: AsyncSession, scope: Scope, refresh_id: UUID, *, lock: bool = False
) -> Refresh:
    query = select(Refresh).where(
        Refresh.organization_id == scope.organization_id, Refresh.id == refresh_id
    )
    if not scope.sees_whole_organization:
        query = query.where(Refresh.requested_by == scope.user_id)
    refresh = await session.scalar(locked(query) if lock else query)
    if refresh is None:
        raise NotFound(f"There is no refresh {refresh_id}.")
    return refresh
