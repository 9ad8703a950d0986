"""Callers' requests for a refresh, and how each of them stands.

Dagster is never asked inside a transaction: when it hangs, no database connection waits with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.outage import reachable_session
from backend.errors import Forbidden, NotFound, Unavailable
from backend.jobs.launcher import Launcher, RunState
from backend.jobs.models import FINISHED, Refresh
from backend.jobs.progress import Progress
from backend.jobs.turns import PATIENCE_SECONDS, join_or_launch
from backend.scope import Role, Scope

NEWEST_FIRST = Order((Refresh.id,), descending=True)

_ASKED_AT_ONCE = 10  # runs of one list; there are seldom more than two that have not ended


@dataclass(frozen=True, slots=True)
class KnownRefresh:
    """`note` says why the state may be older than it looks."""

    refresh: Refresh
    progress: Progress | None = None
    note: str | None = None

    @property
    def id(self) -> UUID:
        return self.refresh.id

    @property
    def is_finished(self) -> bool:
        return self.refresh.status in FINISHED


async def request_refresh(
    engine: AsyncEngine,
    scope: Scope,
    launcher: Launcher,
    *,
    full: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Refresh:
    """Ask for a refresh that includes all that is committed now.

    A run that still waits for its turn is shared by all organizations, so at most one runs and one
    waits. With `full` everything is built anew; only a run that does so is shared then.
    """
    if scope.read_only or scope.role is Role.VIEWER:
        raise Forbidden("Asking for a refresh takes more than reading rights.")
    run_id = await join_or_launch(
        launcher, engine.url, full=full, patience_seconds=patience_seconds
    )
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
    refresh = await find_refresh(engine, scope, refresh_id)
    if refresh.status in FINISHED:
        return KnownRefresh(refresh)
    try:
        state = await launcher.run_state(refresh.run_id)
    except Unavailable as error:
        return KnownRefresh(refresh, note=last_known(error))
    return await note_state(engine, scope, refresh_id, state)


async def find_refresh(engine: AsyncEngine, scope: Scope, refresh_id: UUID) -> Refresh:
    """As it was last known; `NotFound` for what the scope may not see."""
    async with reachable_session(engine, scope.organization_id) as session:
        refresh = await session.scalar(_visible(scope).where(Refresh.id == refresh_id))
    if refresh is None:
        raise _unknown(refresh_id)
    return refresh


async def note_state(
    engine: AsyncEngine, scope: Scope, refresh_id: UUID, state: RunState
) -> KnownRefresh:
    """Write down what Dagster said; `NotFound` for what the scope may not see."""
    for known in await _note_states(engine, scope, {refresh_id: state}):
        return known
    raise _unknown(refresh_id)


async def list_refreshes(
    engine: AsyncEngine, scope: Scope, window: Window, launcher: Launcher
) -> Sequence[KnownRefresh]:
    """Newest first; one more than the window's limit when there is a next page."""
    async with reachable_session(engine, scope.organization_id) as session:
        rows = (await session.scalars(windowed(_visible(scope), NEWEST_FIRST, window))).all()
    states, note = await _ask_for(launcher, [r for r in rows if r.status not in FINISHED])
    known = {k.id: k for k in await _note_states(engine, scope, states)} if states else {}
    return [
        known.get(r.id) or KnownRefresh(r, note=None if r.status in FINISHED else note)
        for r in rows
    ]


def last_known(error: Unavailable) -> str:
    """The note on a state that nobody could confirm."""
    return f"This is the last known state. {error.detail}"


async def _ask_for(
    launcher: Launcher, unfinished: Collection[Refresh]
) -> tuple[Mapping[UUID, RunState], str]:
    """The states by request, and what to say of those that are not among them."""
    runs = list(dict.fromkeys(refresh.run_id for refresh in unfinished))[:_ASKED_AT_ONCE]
    try:
        answers = await asyncio.gather(*(launcher.run_state(run) for run in runs))
    except Unavailable as error:
        return {}, last_known(error)
    by_run = dict(zip(runs, answers, strict=True))
    states = {r.id: by_run[r.run_id] for r in unfinished if r.run_id in by_run}
    return states, "This is the last known state. Ask for this refresh alone to learn more."


async def _note_states(
    engine: AsyncEngine, scope: Scope, states: Mapping[UUID, RunState]
) -> list[KnownRefresh]:
    async with reachable_session(engine, scope.organization_id) as session:
        query = _visible(scope).where(Refresh.id.in_(states)).order_by(Refresh.id)
        rows = (await session.scalars(locked(query))).all()
        return [_noted(row, states[row.id]) for row in rows]


def _noted(refresh: Refresh, state: RunState) -> KnownRefresh:
    if refresh.status in FINISHED:  # somebody else's answer was newer
        return KnownRefresh(refresh)
    refresh.status = state.status
    refresh.generation = state.generation
    refresh.reason = state.reason
    refresh.finished_at = state.finished_at
    return KnownRefresh(refresh, state.progress)


def _visible(scope: Scope) -> Select[Refresh]:
    query = select(Refresh).where(Refresh.organization_id == scope.organization_id)
    if not scope.sees_whole_organization:
        query = query.where(Refresh.requested_by == scope.user_id)
    return query


def _unknown(refresh_id: UUID) -> NotFound:
    return NotFound(f"There is no refresh {refresh_id}.")
