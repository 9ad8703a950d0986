"""Guessing passwords is slow: attempts are counted by account and by address, and then refused.

They are counted in PostgreSQL, so that all processes count together, and before the password is
looked at, so that a burst cannot outrun the count. A success takes its own attempts back. Accounts
that do not exist are counted like those that do.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.errors import TooManyRequests
from backend.settings import Settings

_COUNT = text("SELECT key, attempts, ends_at FROM count_attempts(:keys, :at, :span)")
_FORGIVE = text("SELECT forgive_attempts(:account, :address)")


async def count_attempt(
    engine: AsyncEngine, settings: Settings, *, email: str | None, address: str, now: datetime
) -> None:
    """`TooManyRequests` when the account or the address has used its attempts up.

    Without an `email` only the address counts.
    """
    limits = {_address_key(address): settings.login_attempts_per_address}
    if email is not None:
        limits[_account_key(email)] = settings.login_attempts_per_account
    span = timedelta(seconds=settings.login_attempt_window_seconds)
    async with engine.begin() as connection:
        rows = await connection.execute(_COUNT, {"keys": list(limits), "at": now, "span": span})
        used_up = [row.ends_at for row in rows if row.attempts > limits[bytes(row.key)]]
    if used_up:
        raise TooManyRequests(
            "Too many attempts. Wait before you try again.",
            retry_after_seconds=math.ceil((max(used_up) - now).total_seconds()),
        )


async def forgive_attempts(engine: AsyncEngine, *, email: str, address: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            _FORGIVE, {"account": _account_key(email), "address": _address_key(address)}
        )


def _account_key(email: str) -> bytes:
    return sha256(f"account {email.casefold()}".encode()).digest()


def _address_key(address: str) -> bytes:
    return sha256(f"address {address}".encode()).digest()
