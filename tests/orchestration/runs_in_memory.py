"""What stands in for Dagster where a test needs to decide what its runs do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from backend.errors import Unavailable
from backend.jobs.launcher import RunState
from backend.jobs.models import RefreshStatus


@dataclass
class RunsInMemory:
    """A launcher whose runs only move when a test moves them; several may share their `states`."""

    states: dict[UUID, RunState] = field(default_factory=dict)
    full: set[UUID] = field(default_factory=set)
    away: bool = False
    asked: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def queued_refresh(self, *, full: bool = False) -> UUID | None:
        self._answer()
        queued = [r for r, s in self.states.items() if s.status is RefreshStatus.QUEUED]
        await _let_others_in_between()
        return next((run for run in queued if run in self.full or not full), None)

    async def launch_refresh(self, *, full: bool = False) -> UUID:
        self._answer()
        await _let_others_in_between()
        self.states[run_id := uuid4()] = RunState(RefreshStatus.QUEUED)
        if full:
            self.full.add(run_id)
        return run_id

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        raise NotImplementedError

    async def terminate(self, run_id: UUID) -> None:
        raise NotImplementedError

    async def run_state(self, run_id: UUID) -> RunState:
        self._answer()
        self.asked += 1
        return self.states[run_id]

    async def healthy(self) -> bool:
        return not self.away

    async def aclose(self) -> None:
        return None

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Dagster cannot be reached.")


async def _let_others_in_between() -> None:
    """Long enough for another process of the test to reach its PostgreSQL."""
    for _ in range(500):
        await asyncio.sleep(0)
