"""Password hashes: argon2id, computed off the event loop on a bounded number of threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

MINIMUM_LENGTH = 12

_hasher = PasswordHasher()
# One hash takes 64 MiB: a burst of logins queues instead of eating the memory.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")

# Verified against when there is no such user, so that the answer takes as long as for a known one.
_NOBODY = _hasher.hash("no such user")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """False for a wrong password; with no hash, False at the same cost."""
    loop = asyncio.get_running_loop()
    right = await loop.run_in_executor(_threads, _verify, password_hash or _NOBODY, password)
    return right and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
