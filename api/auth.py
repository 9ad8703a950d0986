"""The bearer token of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from backend.errors import Unauthenticated

_scheme = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT or API token",
    description="An access token of `POST /api/auth/token`, or an API token (`outlay_…`).",
    auto_error=False,  # so that it is our problem+json that says so
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


def bearer_token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials:
        raise Unauthenticated("Send a token in the header `Authorization: Bearer …`.")
    return credentials.credentials
