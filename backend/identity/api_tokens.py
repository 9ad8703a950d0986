"""The API tokens of a member, and what owners and admins may do about those of others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.errors import Forbidden, NotFound
from backend.identity.models import ApiToken
from backend.identity.permissions import require_login
from backend.identity.service import add_api_token
from backend.scope import Scope

TOKENS_BY_AGE = Order((ApiToken.id,), descending=True)

_SECRET = "token_hash"  # noqa: S105  # the column that no record may hold


async def create_own_token(
    session: AsyncSession,
    scope: Scope,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> tuple[ApiToken, str]:
    """The token's row, and the token itself for this once.

    Only after a login: a token that makes tokens would outlive its own expiry and revocation.
    """
    require_login(scope)
    row, token = await add_api_token(
        session, scope.user_id, name=name, scopes=scopes, expires_at=expires_at
    )
    after = state_of(row, _SECRET)
    await record(session, scope, "create", "api_token", row.id, after=after)
    return row, token


async def list_tokens(
    session: AsyncSession, scope: Scope, window: Window, *, user_id: UUID | None = None
) -> Sequence[ApiToken]:
    """The newest first; the caller's own, or those of the member whom an administrator names."""
    statement = select(ApiToken).where(
        _visible(scope), ApiToken.user_id == (user_id or scope.user_id)
    )
    return (await session.scalars(windowed(statement, TOKENS_BY_AGE, window))).all()


async def get_token(
    session: AsyncSession, scope: Scope, token_id: UUID, *, lock: bool = False
) -> ApiToken:
    statement = select(ApiToken).where(_visible(scope), ApiToken.id == token_id)
    row = await session.scalar(locked(statement) if lock else statement)
    if row is None:
        raise NotFound("There is no such token.")
    return row


async def revoke_token(session: AsyncSession, scope: Scope, token_id: UUID, now: datetime) -> None:
    """It ends at once, in every process; its row stays. A token may revoke itself."""
    if scope.read_only and scope.api_token_id != token_id:
        raise Forbidden("This token may only read.")
    row = await get_token(session, scope, token_id, lock=True)
    before = state_of(row, _SECRET)
    row.revoked_at = row.revoked_at or now
    await session.flush()
    after = state_of(row, _SECRET)
    await record(session, scope, "revoke", "api_token", token_id, before=before, after=after)


def _visible(scope: Scope) -> ColumnElement[bool]:
    of_whom = true() if scope.administers else ApiToken.user_id == scope.user_id
    return and_(ApiToken.organization_id == scope.organization_id, of_whom)
