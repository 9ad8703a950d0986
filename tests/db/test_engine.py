from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.bootstrap import connect
from backend.db.engine import create_engine
from backend.settings import Settings

PID = text("SELECT pg_backend_pid()")


async def _three_at_once(engine: AsyncEngine) -> set[int]:
    together = asyncio.Barrier(3)

    async def one() -> int:
        async with engine.connect() as connection:
            await together.wait()
            return int(await connection.scalar(PID) or 0)

    return set(await asyncio.gather(one(), one(), one()))


async def test_connections_that_the_server_ended_are_replaced_unseen(settings: Settings) -> None:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    admin = await connect(settings.admin_url())
    try:
        before = await _three_at_once(engine)
        assert await _three_at_once(engine) == before
        for pid in before:
            assert await admin.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
        after = await _three_at_once(engine)
        assert len(after) == 3
        assert not after & before
    finally:
        await admin.close()
        await engine.dispose()
