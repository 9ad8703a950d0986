"""A request with a key is done once: its answer is kept in the transaction of its effect.

A request that fails keeps nothing, since it had no effect; trying it again does it anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import Conflict, FieldError, InvalidInput
from backend.idempotency.models import IdempotencyKey
from backend.scope import Scope

LIFE = timedelta(hours=24)
# Each new key takes more old ones away than it brings, so that no job has to.
_SWEEP = 10
_LOCK_SPACE = 3  # beside those of the budget and category trees


@dataclass(frozen=True, slots=True)
class Request:
    """`digest` tells whether a repetition asks for the same."""

    key: str
    digest: bytes


async def claim(session: AsyncSession, scope: Scope, request: Request) -> bytes | None:
    """The answer of the first try, or None when this one is the first.

    `Conflict` while another try is under way, `InvalidInput` when the key was used for another
    request. The claim ends with the transaction.
    """
    name = f"{scope.organization_id} {scope.user_id} {request.key}"
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(name, _LOCK_SPACE))
    if not await session.scalar(select(lock)):
        raise Conflict("A request with this key is under way.", retry_after_seconds=1)
    # A statement of its own: it must see what the holder of the lock before us has committed.
    row = (
        await session.execute(
            select(IdempotencyKey.request_digest, IdempotencyKey.answer).where(
                IdempotencyKey.organization_id == scope.organization_id,
                IdempotencyKey.user_id == scope.user_id,
                IdempotencyKey.key == request.key,
                IdempotencyKey.created_at > func.now() - LIFE,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    if row.request_digest != request.digest:
        raise InvalidInput(
            "This key was used for another request.",
            errors=[FieldError("Idempotency-Key", "Give every request a key of its own.")],
        )
    return bytes(row.answer)


async def keep(session: AsyncSession, scope: Scope, request: Request, answer: bytes) -> None:
    """To be called by the holder of the claim, with the answer that is about to be given."""
    await _sweep(session, scope)
    values = {"request_digest": request.digest, "answer": answer, "created_at": func.now()}
    await session.execute(
        insert(IdempotencyKey)
        .values(
            organization_id=scope.organization_id,
            user_id=scope.user_id,
            key=request.key,
            **values,
        )
        .on_conflict_do_update(constraint="pk_idempotency_keys", set_=values)  # an expired one
    )


async def _sweep(session: AsyncSession, scope: Scope) -> None:
    identity = tuple_(IdempotencyKey.organization_id, IdempotencyKey.user_id, IdempotencyKey.key)
    expired = (
        select(IdempotencyKey.organization_id, IdempotencyKey.user_id, IdempotencyKey.key)
        .where(
            IdempotencyKey.organization_id == scope.organization_id,
            IdempotencyKey.created_at <= func.now() - LIFE,
        )
        .order_by(IdempotencyKey.created_at)
        .limit(_SWEEP)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(IdempotencyKey).where(identity.in_(expired)))
