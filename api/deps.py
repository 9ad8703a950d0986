"""What routes are given: the caller's scope, a transaction for them, and the app's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Header, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.auth import Bearer, bearer_token
from api.observability import bind_caller
from api.rate_limit import RateLimits, client_address, spend
from backend.db.outage import reachable_session
from backend.errors import Forbidden, NotFound, Unauthenticated
from backend.identity.scopes import ScopeCache
from backend.jobs.launcher import Launcher
from backend.ledger.receipt_files import ReceiptFiles
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.store import Warehouse


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class AppState:
    """What one application owns from its start to its end."""

    settings: Settings
    engine: AsyncEngine
    scopes: ScopeCache
    warehouse: Warehouse
    launcher: Launcher
    limits: RateLimits
    receipts: ReceiptFiles
    clock: Callable[[], datetime] = utc_now


def get_state(request: Request) -> AppState:
    return cast("AppState", request.app.state.outlay)


async def _state(request: Request) -> AppState:
    """FastAPI would send a plain function to a thread, for each request."""
    return get_state(request)


State = Annotated[AppState, Depends(_state)]


ChosenOrganization = Annotated[
    UUID | None,
    Header(
        alias="Outlay-Organization",
        description=(
            "The organization to act in, for a user with several; by default that of the token. "
            "One that is not theirs is 404; an API token acts in its own only (403)."
        ),
    ),
]


async def get_scope(
    request: Request,
    state: State,
    credentials: Bearer,
    organization: ChosenOrganization = None,
) -> Scope:
    """Who is asking; 401 for nobody, 429 when they ask too much, 503 when nobody can tell now."""
    try:
        scope = await state.scopes.resolve(bearer_token(credentials), organization)
    except (Unauthenticated, Forbidden, NotFound):
        limit_stranger(request, state)  # whoever has a good token is never refused for these
        raise
    spend(request, state.limits.callers, scope.user_id)
    bind_caller(scope.user_id, scope.organization_id)
    return scope


CurrentScope = Annotated[Scope, Depends(get_scope)]


async def get_scope_if_any(
    request: Request,
    state: State,
    credentials: Bearer,
    organization: ChosenOrganization = None,
) -> Scope | None:
    """For routes that are open to strangers too; a token that is no good is still refused."""
    if credentials is None:
        limit_stranger(request, state)
        return None
    return await get_scope(request, state, credentials, organization)


ScopeIfAny = Annotated[Scope | None, Depends(get_scope_if_any)]


def limit_stranger(request: Request, state: State) -> None:
    spend(request, state.limits.strangers, client_address(request))


StrangerLimit = Depends(limit_stranger)


def get_now(state: State) -> datetime:
    return state.clock()


Now = Annotated[datetime, Depends(get_now)]
ClientAddress = Annotated[str, Depends(client_address)]


async def get_session(state: State, scope: CurrentScope) -> AsyncIterator[AsyncSession]:
    """One transaction in the caller's organization; it is committed before the answer leaves."""
    async with reachable_session(state.engine, scope.organization_id) as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


def get_settings(state: State) -> Settings:
    return state.settings


def get_warehouse(state: State) -> Warehouse:
    return state.warehouse


def get_receipt_files(state: State) -> ReceiptFiles:
    return state.receipts


Receipts = Annotated[ReceiptFiles, Depends(get_receipt_files)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
WarehouseDep = Annotated[Warehouse, Depends(get_warehouse)]
