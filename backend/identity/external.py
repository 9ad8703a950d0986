"""Access tokens of an external identity provider, checked with the keys that it publishes.

The first token with a verified e-mail address links its subject to the user who has that address;
from then on the subject alone decides, so that an address that changes hands opens nothing. Nobody
is created here: who has no user yet comes by registration or by invitation.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import jwt
import structlog
from sqlalchemy import func, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from backend.audit.record import record
from backend.db.engine import enter_organization
from backend.errors import Unauthenticated, Unavailable
from backend.identity.models import ApiToken
from backend.identity.queries import Credential, find_external_user, find_memberships
from backend.settings import Settings

FETCH_TIMEOUT_SECONDS = 5
# A key that is not known is asked for at most this often, whatever tokens people send.
UNKNOWN_KEY_SECONDS = 10
_MAX_LENGTH = 500
_REQUIRED_CLAIMS = ("iss", "aud", "exp", "iat", "sub")

_log = structlog.get_logger(__name__)

_LINK = text("SELECT link_external_user(:issuer, :subject, :email)")
_END_PASSWORD = text("SELECT set_password(:user_id, NULL, :at)")


@dataclass(frozen=True, slots=True)
class ExternalClaims:
    """`email` only when the provider says that it has verified it."""

    issuer: str
    subject: str
    email: str | None
    expires_at: datetime


class IdentityProvider:
    """One provider; keeps its keys, and fetches them again when they are old or one is unknown."""

    def __init__(
        self, settings: Settings, *, unknown_key_seconds: float = UNKNOWN_KEY_SECONDS
    ) -> None:
        assert settings.idp_jwks_url is not None  # noqa: S101  # see `of`
        assert settings.idp_issuer is not None  # noqa: S101
        self._issuer = settings.idp_issuer
        self._audience = settings.idp_audience
        self._types = {name.lower() for name in settings.idp_token_types}
        # Only those that verify with a public key: no secret of ours is ever tried on its tokens.
        self._algorithms = [name for name in settings.jwt_algorithms if not name.startswith("HS")]
        self._keys = jwt.PyJWKClient(
            settings.idp_jwks_url,
            timeout=FETCH_TIMEOUT_SECONDS,
            cooldown_duration=unknown_key_seconds,
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jwks")

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        return None if settings.idp_jwks_url is None else cls(settings)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def issued(self, token: str) -> bool:
        """Whether the token names this provider; only `verify` says whether that is true."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return False
        return claims.get("iss") == self._issuer

    async def verify(self, token: str) -> ExternalClaims:
        """`Unauthenticated` for a wrong token, `Unavailable` when the keys cannot be had."""
        try:
            decoded = jwt.decode_complete(
                token,
                await self._key(token),
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                options={"require": list(_REQUIRED_CLAIMS)},
            )
        except jwt.PyJWKClientConnectionError as error:
            _log.warning("identity_provider_unreachable", reason=str(error))
            raise Unavailable(
                "The identity provider cannot be reached. Try again shortly.", retry_after_seconds=5
            ) from error
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired.") from None
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated("The token is not valid.") from None
        if str(decoded["header"].get("typ", "")).lower() not in self._types:
            raise Unauthenticated("The token is not an access token.")
        return self._claims(decoded["payload"])

    async def _key(self, token: str) -> jwt.PyJWK:
        """From memory when it is there; a fetch blocks, so it has a thread of its own."""
        kid = str(jwt.get_unverified_header(token).get("kid", ""))
        known = self._keys.jwk_set_cache.get() if self._keys.jwk_set_cache is not None else None
        for key in [] if known is None else known.keys:
            if key.key_id == kid and key.public_key_use in {"sig", None}:
                return key
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._keys.get_signing_key, kid
        )

    def _claims(self, payload: dict[str, Any]) -> ExternalClaims:
        subject, email = str(payload["sub"]), payload.get("email")
        if not 0 < len(subject) <= _MAX_LENGTH:
            raise Unauthenticated("The token is not valid.")
        return ExternalClaims(
            issuer=self._issuer,
            subject=subject,
            email=str(email) if email and payload.get("email_verified") is True else None,
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        )


async def external_credential(engine: AsyncEngine, claims: ExternalClaims) -> Credential | None:
    """Who that is here, in the organization they joined first; None for nobody."""
    async with engine.connect() as connection:
        user_id = await find_external_user(connection, claims.issuer, claims.subject)
    if user_id is None and claims.email is not None:
        user_id = await _link(engine, claims, claims.email)
    if user_id is None:
        return None
    async with engine.connect() as connection:
        memberships = await find_memberships(connection, user_id)
    return Credential(user_id, memberships[0].organization_id) if memberships else None


async def _link(engine: AsyncEngine, claims: ExternalClaims, email: str) -> UUID | None:
    """None for an address that nobody has, or whose user another subject is linked to already.

    Nobody had proven the address before: who registered it may have been anybody. So the password
    ends here, and all that was made with it; from now on one comes by the provider.
    """
    values = {"issuer": claims.issuer, "subject": claims.subject, "email": email}
    async with AsyncSession(engine) as session, session.begin():
        user_id: UUID | None = (await session.execute(_LINK, values)).scalar_one()
        if user_id is None:  # perhaps a request at the same time has just linked it
            return await find_external_user(session, claims.issuer, claims.subject)
        await session.execute(_END_PASSWORD, {"user_id": user_id, "at": datetime.now(UTC)})
        after = {"issuer": claims.issuer, "subject": claims.subject}
        for n, membership in enumerate(await find_memberships(session, user_id)):
            await enter_organization(session, membership.organization_id)
            if n == 0:  # an entry has to be somewhere
                await record(session, str(user_id), "link", "user", user_id, after=after)
            for token_id in await session.scalars(_revoke_tokens(user_id)):
                await record(session, str(user_id), "revoke", "api_token", token_id)
        return user_id


def _revoke_tokens(user_id: UUID) -> ReturningUpdate[UUID]:
    return (
        update(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
