"""The demo organizations: a real council's purchases and a generated household."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.seeds.birmingham import seed_birmingham
from backend.seeds.household import seed_household
from backend.seeds.report import SeedReport


async def seed_demo(
    engine: AsyncEngine,
    *,
    today: date,
    password: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SeedReport]:
    """Add what is missing of the demo; an organization that is there is left as it is.

    `engine` is the application role's. New users get `password`; without one they have none.
    """
    return [
        await _timed(
            "Birmingham City Council: 127,106 real card purchases",
            lambda: seed_birmingham(engine, password=password),
            progress,
        ),
        await _timed(
            "A generated household",
            lambda: seed_household(engine, today=today, password=password),
            progress,
        ),
    ]


async def _timed(
    what: str, seed: Callable[[], Awaitable[SeedReport]], progress: Callable[[str], None]
) -> SeedReport:
    progress(f"{what} …")
    started = monotonic()
    result = await seed()
    took = f"{monotonic() - started:.1f} s"
    progress(f"{what}: {took}" if result.created else f"{what}: already there")
    return result
