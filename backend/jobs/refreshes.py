"""Callers' requests for a refresh, and how each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.errors import Forbidden, NotFound, Unavailable
from backend.jobs.launcher import Launcher
from backend.jobs.models import Refresh, RefreshStatus
from backend.scope import Role, Scope

_LOCK_NOT_AVAILABLE = "55P03"
_FINISHED = {RefreshStatus.SUCCEEDED, RefreshStatus.FAILED, RefreshStatus.CANCELLED}

# One request at a time looks for a queued run and launches one: a refresh serves every
# organization, so the rows of the caller's own cannot show what others asked for.
_WAIT_BRIEFLY = text("SELECT set_config('lock_timeout', '10s', true)")
_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtext('outlay request refresh'))")


@dataclass(frozen=True, slots=True)
class KnownRefresh:
    """`note` says why the state may be older than it looks."""

    refresh: Refresh
    note: str | None = None


async def request_refresh(session: AsyncSession, scope: Scope, launcher: Launcher) -> Refresh:
    """Ask for a refresh that includes all that is committed now.

    A run that still waits for its turn is shared, so at most one runs and one waits.
    """
    if scope.read_only or scope.role is Role.VIEWER:
        raise Forbidden("Asking for a refresh takes more than reading rights.")
    await _take_turn(session)
    run_id = await launcher.queued_refresh() or await launcher.launch_refresh()
    refresh = Refresh(
        organization_id=scope.organization_id, requested_by=scope.user_id, run_id=run_id
    )
    session.add(refresh)
    await session.flush()
    await session.refresh(refresh)
    await record(session, scope, "create", "refresh", refresh.id, after=state_of(refresh))
    return refresh


async def _take_turn(session: AsyncSession) -> None:
    await session.execute(_WAIT_BRIEFLY)
    try:
        await session.execute(_TAKE_TURN)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Unavailable(
            "Many refreshes are being asked for at once.", retry_after_seconds=5
        ) from None


async def get_refresh(
    session: AsyncSession, scope: Scope, refresh_id: UUID, launcher: Launcher
) -> KnownRefresh:
    """A request of the caller's, or of their whole organization for those who see it."""
    query = select(Refresh).where(
        Refresh.organization_id == scope.organization_id, Refresh.id == refresh_id
    )
    if not scope.sees_whole_organization:
        query = query.where(Refresh.requested_by == scope.user_id)
    refresh = await session.scalar(query)
    if refresh is None:
        raise NotFound(f"There is no refresh {refresh_id}.")
    if refresh.status in _FINISHED:
        return KnownRefresh(refresh)
    try:
        state = await launcher.run_state(refresh.run_id)
    except Unavailable as error:
        return KnownRefresh(refresh, f"This is the last known state. {error.detail}")
    refresh.status = state.status
    refresh.generation = state.generation
    refresh.reason = state.reason
    refresh.finished_at = state.finished_at
    await session.flush()
    return KnownRefresh(refresh)
