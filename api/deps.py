"""What routes are given: the caller's scope, a transaction for them, and the app's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.auth import Bearer, bearer_token
from api.observability import bind_caller
from backend.db.outage import reachable_session
from backend.identity.scopes import ScopeCache
from backend.jobs.launcher import Launcher
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.store import Warehouse


@dataclass(frozen=True, slots=True)
class AppState:
    """What one application owns from its start to its end."""

    settings: Settings
    engine: AsyncEngine
    scopes: ScopeCache
    warehouse: Warehouse
    launcher: Launcher


def get_state(request: Request) -> AppState:
    return cast("AppState", request.app.state.outlay)


State = Annotated[AppState, Depends(get_state)]


async def get_scope(state: State, credentials: Bearer) -> Scope:
    """Who is asking; 401 for nobody, 503 when that cannot be known now."""
    scope = await state.scopes.resolve(bearer_token(credentials))
    bind_caller(scope.user_id, scope.organization_id)
    return scope


CurrentScope = Annotated[Scope, Depends(get_scope)]


async def get_session(state: State, scope: CurrentScope) -> AsyncIterator[AsyncSession]:
    """One transaction in the caller's organization; it is committed before the answer leaves."""
    async with reachable_session(state.engine, scope.organization_id) as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


def get_settings(state: State) -> Settings:
    return state.settings


def get_warehouse(state: State) -> Warehouse:
    return state.warehouse


SettingsDep = Annotated[Settings, Depends(get_settings)]
WarehouseDep = Annotated[Warehouse, Depends(get_warehouse)]
