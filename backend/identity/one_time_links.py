"""Links that work once: who holds one may act, so only its digest is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.identity.tokens import LINK_TOKEN_PREFIX, new_token, token_digest
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """`url` leads into the web application, if its address is set; the token is all it needs."""

    token: str
    url: str | None
    expires_at: datetime

    @property
    def digest(self) -> bytes:
        return token_digest(self.token)


def new_link(settings: Settings, page: str, *, now: datetime, life_seconds: int) -> OneTimeLink:
    token = new_token(LINK_TOKEN_PREFIX)
    # In the fragment, which browsers do not send: no log and no referrer gets to see it.
    base = None if settings.app_url is None else settings.app_url.rstrip("/")
    return OneTimeLink(
        token=token,
        url=None if base is None else f"{base}/{page}#token={token}",
        expires_at=now + timedelta(seconds=life_seconds),
    )
