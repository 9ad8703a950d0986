"""A refresh as it goes on, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.deps import AppState
from api.schemas.refreshes import RefreshOut
from backend.errors import OutlayError, Unavailable
from backend.jobs import refreshes
from backend.jobs.models import Refresh
from backend.jobs.refreshes import KnownRefresh
from backend.scope import Scope

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 900.0  # then the caller comes back, and proves again who they are
RETRY_MILLISECONDS = 3000


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens; `scope_again` asks who they are by now."""

    scope: Scope
    scope_again: Callable[[], Awaitable[Scope]]


async def refresh_events(
    state: AppState,
    listener: Listener,
    refresh_id: UUID,
    *,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    longest_seconds: float = LONGEST_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """How it stands, every change of that, and its end; then nothing more.

    It breaks off, for the caller to come back, when Dagster or PostgreSQL is away, when the time
    is up, and when the caller may not see the refresh any more.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + longest_seconds
    refresh = await refreshes.find_refresh(state.engine, listener.scope, refresh_id)
    if KnownRefresh(refresh).is_finished:
        yield _event(KnownRefresh(refresh))
        return
    seen = None
    with state.watches.follow(state.launcher, refresh.run_id) as watch:
        while loop.time() < end:
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    seen = await watch.another_than(seen)
            except TimeoutError:
                if not await _still_known(listener):
                    return
                yield KEEPALIVE_COMMENT
                continue
            except Unavailable as error:
                yield _event(KnownRefresh(refresh, note=refreshes.last_known(error)))
                return
            try:
                scope = await listener.scope_again()
                known = await refreshes.note_state(state.engine, scope, refresh_id, seen)
            except OutlayError:
                return
            refresh = known.refresh
            yield _event(known)
            if known.is_finished:
                return


def last_event_id(refresh: Refresh) -> str:
    """The id of the event that ends the stream of a refresh that has ended."""
    return _id(KnownRefresh(refresh))


async def _still_known(listener: Listener) -> bool:
    try:
        await listener.scope_again()
    except OutlayError:
        return False
    return True


def _event(known: KnownRefresh) -> bytes:
    return format_sse_event(
        event="finished" if known.is_finished else "progress",
        data_str=RefreshOut.of(known).model_dump_json(),
        id=_id(known),
        retry=RETRY_MILLISECONDS,
    )


def _id(known: KnownRefresh) -> str:
    status = known.refresh.status
    if known.is_finished or known.progress is None:
        return status
    return f"{status}-{known.progress.steps_done}"
