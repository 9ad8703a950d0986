"""`outlay refresh`: ask Dagster for a refresh and wait for its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from backend.errors import Unavailable
from backend.jobs.launcher import DagsterLauncher, RunState
from backend.jobs.models import RefreshStatus
from backend.jobs.turns import join_or_launch
from backend.settings import Settings

_POLL_SECONDS = 0.5


class RefreshFailed(Exception):
    """The run ended without a new generation."""


def launched_refresh(
    settings: Settings,
    *,
    full: bool = False,
    watch: Callable[[], None] = lambda: None,
    progress: Callable[[str], None] = lambda _: None,
    timeout_seconds: float,
) -> str:
    """Launch a refresh through Dagster and wait; answers the new generation's id.

    While Dagster is still loading the code a launch is tried again until the time-out.
    """
    deadline = time.monotonic() + timeout_seconds
    return asyncio.run(_launched(settings, watch, progress, deadline, full=full))


async def _launched(
    settings: Settings,
    watch: Callable[[], None],
    progress: Callable[[str], None],
    deadline: float,
    *,
    full: bool,
) -> str:
    try:
        database = settings.role_url("outlay_app")
    except FileNotFoundError as error:
        raise RefreshFailed(str(error)) from None
    launcher = DagsterLauncher(settings.dagster_graphql_url)
    try:
        while True:
            watch()
            try:
                run_id = await join_or_launch(launcher, database, full=full)
                break
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_POLL_SECONDS)
        while True:
            watch()
            state = await launcher.run_state(run_id)
            progress(state.status)
            if state.status is RefreshStatus.SUCCEEDED:
                progress(state.generation or "")
                return state.generation or ""
            _require_hope(settings, state, str(run_id), deadline)
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await launcher.aclose()


def _require_hope(settings: Settings, state: RunState, run_id: str, deadline: float) -> None:
    where = f"http://{settings.dagster_host}:{settings.dagster_port}/runs/{run_id}"
    if state.status in {RefreshStatus.FAILED, RefreshStatus.CANCELLED}:
        raise RefreshFailed(f"The refresh {state.status}: {state.reason or 'see'} {where}")
    if time.monotonic() > deadline:
        raise RefreshFailed(f"The refresh is still {state.status}; see {where}")
