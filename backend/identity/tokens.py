"""The two kinds of bearer token: signed access tokens (JWT) and stored API tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import jwt

from backend.errors import Unauthenticated
from backend.settings import Settings

API_TOKEN_PREFIX = "outlay_"  # noqa: S105  # a marker, not a secret

# RFC 9068: the header says that this is an access token, so that no other JWT passes for one.
_ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type
_REQUIRED_CLAIMS = ("iss", "aud", "exp", "iat", "sub", "org")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: UUID
    organization_id: UUID


def issue_access_token(
    settings: Settings, user_id: UUID, organization_id: UUID, *, now: datetime | None = None
) -> str:
    """A JWT for one user in one organization, valid for `jwt_ttl_seconds`."""
    issued_at = now or datetime.now(UTC)
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "sub": str(user_id),
        "org": str(organization_id),
        "iat": issued_at,
        "exp": issued_at + timedelta(seconds=settings.jwt_ttl_seconds),
        "jti": uuid4().hex,
    }
    return jwt.encode(
        claims,
        settings.secrets.jwt.get_secret_value(),
        algorithm="HS256",
        headers={"typ": _ACCESS_TOKEN_TYPE},
    )


def verify_access_token(settings: Settings, token: str) -> AccessClaims:
    """Signature, algorithm, type, issuer, audience and times; `Unauthenticated` if one is wrong."""
    # The key is a shared secret, so only the algorithms that sign with one are ever tried with it.
    algorithms = [name for name in settings.jwt_algorithms if name.startswith("HS")]
    try:
        decoded = jwt.decode_complete(
            token,
            settings.secrets.jwt.get_secret_value(),
            algorithms=algorithms,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            options={"require": list(_REQUIRED_CLAIMS)},
        )
        if str(decoded["header"].get("typ", "")).lower() != _ACCESS_TOKEN_TYPE:
            raise Unauthenticated("The token is not an access token.")
        return _claims(decoded["payload"])
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("The token has expired.") from None
    except (jwt.PyJWTError, ValueError):
        raise Unauthenticated("The token is not valid.") from None


def _claims(payload: dict[str, Any]) -> AccessClaims:
    return AccessClaims(UUID(str(payload["sub"])), UUID(str(payload["org"])))


def new_api_token() -> str:
    """256 random bits behind a prefix that secret scanners can find."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def is_api_token(token: str) -> bool:
    return token.startswith(API_TOKEN_PREFIX)


def token_digest(token: str) -> bytes:
    """What is stored and looked up instead of the token; it is random, so a plain hash will do."""
    return sha256(token.encode()).digest()
