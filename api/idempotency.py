"""`Idempotency-Key`: however often a request is sent, it is done once and answered alike.

Only what succeeded is kept: a refused request had no effect, so it may be tried again as it is.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from backend.idempotency import keys
from backend.idempotency.answers import Answer, seal, unseal
from backend.scope import Scope

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

Key = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=255,
        pattern="^[ -~]+$",
        description=(
            "A name of your own for this very request. Sent again within 24 hours it is not done "
            "again: the first answer is repeated."
        ),
        examples=["0198c7a2-6d1f-7c3e-9b55-5f0e7c1d2a34"],
    ),
]


class Repeated(Exception):
    """Ends a request before its endpoint; `response` answers it."""

    def __init__(self, response: Response) -> None:
        self.response = response


async def begin(
    session: AsyncSession, scope: Scope, request: Request, key: str, secret: SecretStr
) -> keys.Request:
    """Claim the key for this transaction; raises `Repeated` when the request was done before.

    Asked with other rights it is another request: an answer may show what a lesser token of the
    same user, or a lesser role, may not see.
    """
    rights = [scope.role, scope.read_only, scope.without_admin, scope.api_token_id]
    target = f"{rights}\n{request.method}\n{request.url.path}\n{request.url.query}\n"
    claimed = keys.Request(key, digest(target.encode() + await request.body(), secret))
    kept = await keys.claim(session, scope, claimed)
    if kept is not None:
        raise Repeated(repeat(kept, secret))
    return claimed


def digest(request: bytes, secret: SecretStr) -> bytes:
    """Keyed, since a request may hold a password, which nobody shall guess from a kept digest."""
    key = hmac.digest(secret.get_secret_value().encode(), b"kept requests", "sha256")
    return hmac.digest(key, request, "sha256")


async def finish(
    session: AsyncSession,
    scope: Scope,
    claimed: keys.Request,
    response: Response,
    secret: SecretStr,
) -> None:
    """Keep the answer, in the transaction of what it tells."""
    headers = [(n, v) for n, v in response.headers.items() if n != "content-length"]
    answer = Answer(response.status_code, headers, bytes(response.body))
    await keys.keep(session, scope, claimed, seal(answer, secret))


def repeat(kept: bytes, secret: SecretStr) -> Response:
    answer = unseal(kept, secret)
    headers = dict(answer.headers) | {REPLAYED: "true"}
    return Response(answer.body, answer.status, headers)
