"""Tokens of our own making: signed access tokens (JWT), and random ones that are stored hashed."""

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
# No prefix is the start of another: a token sent to the wrong place is refused as what it is.
REFRESH_TOKEN_PREFIX = "outlayr_"  # noqa: S105
LINK_TOKEN_PREFIX = "outlayl_"  # noqa: S105

# RFC 9068: the header says that this is an access token, so that no other JWT passes for one.
_ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type
_REQUIRED_CLAIMS = ("iss", "aud", "exp", "iat", "sub", "org")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """`login_id` is the login that the token belongs to and ends with, if any."""

    user_id: UUID
    organization_id: UUID
    login_id: UUID | None = None


def issue_access_token(
    settings: Settings,
    user_id: UUID,
    organization_id: UUID,
    *,
    login_id: UUID | None = None,
    now: datetime | None = None,
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
    } | ({} if login_id is None else {"sid": str(login_id)})
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
    login = payload.get("sid")
    return AccessClaims(
        UUID(str(payload["sub"])),
        UUID(str(payload["org"])),
        None if login is None else UUID(str(login)),
    )


def new_token(prefix: str) -> str:
    """256 random bits behind a prefix that secret scanners can find."""
    return prefix + secrets.token_urlsafe(32)


def new_api_token() -> str:
    return new_token(API_TOKEN_PREFIX)


def is_api_token(token: str) -> bool:
    return token.startswith(API_TOKEN_PREFIX)


def token_digest(token: str) -> bytes:
    """What is stored and looked up instead of the token; it is random, so a plain hash will do."""
    return sha256(token.encode()).digest()
