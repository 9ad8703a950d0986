"""`outlay password-reset`: a one-time link for somebody whom no administrator can help."""

from __future__ import annotations

from datetime import UTC, datetime

from backend.db.engine import create_engine
from backend.identity.password_resets import make_operator_reset
from backend.settings import Settings


async def make_reset(settings: Settings, email: str) -> str:
    """The link, or its token while the web application's address is not set; or `NotFound`."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    try:
        link = await make_operator_reset(engine, settings, email, datetime.now(UTC))
    finally:
        await engine.dispose()
    return link.url or link.token
