"""From a bearer token to the `Scope` of its holder, remembered for seconds.

A scope is served from memory for `FRESH`; a NOTIFY from PostgreSQL drops it at once. With
PostgreSQL away, a scope that was known goes on for `KNOWN`, and everyone else has to wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.outage import is_outage, unavailable
from backend.errors import Forbidden, NotFound, Unauthenticated
from backend.identity.external import ExternalClaims, IdentityProvider, external_credential
from backend.identity.queries import Credential, find_api_token, load_scope
from backend.identity.scope_listener import listen
from backend.identity.tokens import (
    AccessClaims,
    is_api_token,
    token_digest,
    verify_access_token,
)
from backend.scope import Scope
from backend.settings import Settings

FRESH = timedelta(seconds=5)
KNOWN = timedelta(minutes=15)
# After a failed attempt, known scopes are served for this long before PostgreSQL is tried again.
RETRY = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Entry:
    scope: Scope
    expires_at: datetime | None
    loaded_at: datetime
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class _Proof:
    """A token that was checked as far as it goes without PostgreSQL, and where it is to act."""

    digest: bytes
    claims: AccessClaims | ExternalClaims | None
    organization_id: UUID | None

    @property
    def key(self) -> bytes:
        return self.digest + (b"" if self.organization_id is None else self.organization_id.bytes)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ScopeCache:
    """The scopes of recent callers in one process; beyond `capacity` the least recent go."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        *,
        clock: Callable[[], datetime] = _utc_now,
        capacity: int = 10_000,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._capacity = capacity
        self._provider = IdentityProvider.of(settings)
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._loading: dict[bytes, asyncio.Task[Scope]] = {}
        self._changes = 0
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen for changes until `aclose`; PostgreSQL may come and go."""
        url = self._settings.role_url("outlay_app")
        self._listener = asyncio.create_task(
            listen(url, on_change=self.forget, on_connect=self.recheck)
        )

    async def aclose(self) -> None:
        tasks: list[asyncio.Task[Any]] = [*self._loading.values()]
        if self._listener is not None:
            tasks.append(self._listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._provider is not None:
            self._provider.close()

    async def resolve(self, token: str, organization_id: UUID | None = None) -> Scope:
        """Who holds `token`, in the organization named or else in that of the token.

        `Unauthenticated` if nobody, `Unavailable` if nobody can tell now. An organization that is
        not the user's is `NotFound`; for an API token any but its own is `Forbidden`.
        """
        # A signature and an expiry can be checked without asking PostgreSQL, so they always are.
        proof = _Proof(token_digest(token), await self._verify(token), organization_id)
        known = self._recall(proof.key)
        if known is not None and self._clock() - known.checked_at < FRESH:
            return known.scope
        try:
            return await self._load_once(proof)
        except Exception as error:
            if not is_outage(error):
                raise
            return self._during_outage(proof.key, error)

    def forget(self, subject: UUID | None = None) -> None:
        """Drop what is remembered of one user or organization, or of everybody."""
        self._changes += 1  # a load under way may have read what was before
        if subject is None:
            self._entries.clear()
            return
        for digest, entry in list(self._entries.items()):
            if subject in {entry.scope.user_id, entry.scope.organization_id}:
                del self._entries[digest]

    def recheck(self) -> None:
        """Ask again for everybody at their next request: changes may have been missed."""
        self._changes += 1
        for entry in self._entries.values():
            entry.checked_at = datetime.min.replace(tzinfo=UTC)

    async def _verify(self, token: str) -> AccessClaims | ExternalClaims | None:
        """What a signed token claims; an API token claims nothing, it has to be looked up."""
        if is_api_token(token):
            return None
        if self._provider is not None and self._provider.issued(token):
            return await self._provider.verify(token)
        return verify_access_token(self._settings, token)

    def _recall(self, digest: bytes) -> _Entry | None:
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.expires_at is not None and entry.expires_at <= self._clock():
            del self._entries[digest]
            raise Unauthenticated("The token has expired.")
        self._entries.move_to_end(digest)
        return entry

    async def _load_once(self, proof: _Proof) -> Scope:
        """Requests that come while the same token is being looked up share the answer."""
        task = self._loading.get(proof.key)
        if task is None:
            task = asyncio.create_task(self._load(proof))
            self._loading[proof.key] = task
            task.add_done_callback(lambda done: self._loaded(proof.key, done))
        # A caller who gives up must not take the answer away from the others.
        return await asyncio.shield(task)

    def _loaded(self, digest: bytes, task: asyncio.Task[Scope]) -> None:
        self._loading.pop(digest, None)
        if not task.cancelled():
            task.exception()  # retrieved, in case nobody waits for it any more

    async def _load(self, proof: _Proof) -> Scope:
        changes = self._changes
        credential = await self._credential(proof)
        scope = None if credential is None else await self._scope(proof, credential)
        if credential is None or scope is None:
            self._entries.pop(proof.key, None)
            raise Unauthenticated("The token is not valid.")
        if changes == self._changes:
            now = self._clock()
            self._entries[proof.key] = _Entry(scope, credential.expires_at, now, now)
            self._entries.move_to_end(proof.key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return scope

    async def _credential(self, proof: _Proof) -> Credential | None:
        match proof.claims:
            case AccessClaims(user_id, organization_id, login_id):
                return Credential(user_id, organization_id, login_id=login_id)
            case ExternalClaims() as claims:
                return await external_credential(self._engine, claims)
            case None:
                async with self._engine.connect() as connection:
                    return await find_api_token(connection, proof.digest)

    async def _scope(self, proof: _Proof, credential: Credential) -> Scope | None:
        chosen = proof.organization_id
        if chosen is None or chosen == credential.organization_id:
            return await load_scope(self._engine, credential)
        bound = credential.api_token_id is not None
        # A login reaches into the user's other organizations, also when they left the first.
        elsewhere = replace(credential, organization_id=chosen)
        scope = None if bound else await load_scope(self._engine, elsewhere)
        if scope is None and await load_scope(self._engine, credential) is not None:
            if bound:
                raise Forbidden("An API token acts in its own organization only.")
            raise NotFound("There is no such organization.")
        return scope

    def _during_outage(self, digest: bytes, error: Exception) -> Scope:
        entry = self._recall(digest)
        if entry is None or self._clock() - entry.loaded_at >= KNOWN:
            raise unavailable() from error
        entry.checked_at = self._clock() - FRESH + RETRY
        _log.warning("scope_served_without_database", user_id=str(entry.scope.user_id))
        return entry.scope
