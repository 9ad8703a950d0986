"""`outlay seed`: the demo's organizations, or any amount of synthetic ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from backend.db.engine import create_engine
from backend.seeds.report import SeedReport
from backend.settings import Settings


def run_demo_seed(settings: Settings, *, progress: Callable[[str], None]) -> list[SeedReport]:
    """Load what of the demo is not there yet; it ends on today's date."""
    from backend.seeds.demo import seed_demo

    async def run() -> list[SeedReport]:
        engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
        try:
            return await seed_demo(engine, today=datetime.now(UTC).date(), progress=progress)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def run_synthetic_seed(
    settings: Settings, *, transactions: int, people: int, organizations: int
) -> list[SeedReport]:
    """Load deterministic generated transactions, `people` spread over `organizations`."""
    from backend.seeds.synthetic import seed_synthetic

    async def run() -> list[SeedReport]:
        engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
        try:
            return await seed_synthetic(
                engine,
                transactions=transactions,
                people=people,
                organizations=organizations,
                today=datetime.now(UTC).date(),
            )
        finally:
            await engine.dispose()

    return asyncio.run(run())
