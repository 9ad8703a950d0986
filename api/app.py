"""The service: its parts, its routes, and their lifetime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from api import document, problems
from api.body_limit import BodyLimit
from api.deps import AppState
from api.observability import REQUEST_ID_HEADER, Metrics, Observability, configure_logging
from api.rate_limit import HEADER as RATE_LIMIT_HEADER
from api.rate_limit import POLICY_HEADER, RateLimitHeaders, RateLimits
from api.routers import (
    accounts,
    auth,
    balances,
    budget_figures,
    budget_money,
    budget_reservations,
    budgets,
    categories,
    cloud_costs,
    connections,
    dataset_explanations,
    dataset_queries,
    datasets,
    expenses,
    exports,
    fx_rates,
    generations,
    goals,
    health,
    imports,
    insights,
    institutions,
    invitations,
    me,
    members,
    organizations,
    receipts,
    recurring,
    refreshes,
    rules,
    saved_queries,
    tags,
    tokens,
    transactions,
    transactions_bulk,
)
from backend.db.engine import create_engine
from backend.identity.scopes import ScopeCache
from backend.jobs.launcher import DagsterLauncher
from backend.ledger.receipt_files import open_receipt_files
from backend.settings import Settings
from backend.warehouse.store import Warehouse

MAX_BODY_BYTES = 2**20
MAX_BULK_BYTES = 16 * 2**20  # ten thousand rows, each with all that it can have but long texts

_DESCRIPTION = """
Budgets, expenses and their analytics.

* Authenticate with `Authorization: Bearer …`: a token of `POST /api/auth/token`, or an API token.
* Errors are RFC 9457 `application/problem+json`; `type` is stable, `errors[]` names the fields.
* Money travels as decimal strings with a `currency` beside them.
* Dates lie between 1900-01-01 and 2200-01-01.
* Lists answer `{items, next_cursor}`; pass `next_cursor` back as `cursor`.
* A write with an `Idempotency-Key` is done once: sent again, it repeats its first answer.
* An update names the version it changes in `If-Match`: the `ETag` of the answer it was read from.
* With `dry_run=true` a write is checked and answered, and changes nothing.
"""

# Finding a route takes longer the further back it is: what is asked most often comes first.
_ROUTERS = (
    dataset_queries.router,
    insights.router,
    datasets.router,
    dataset_explanations.router,
    auth.router,
    auth.own,
    me.router,
    tokens.router,
    organizations.router,
    members.router,
    invitations.strangers,
    invitations.router,
    institutions.router,
    connections.router,
    accounts.router,
    balances.router,
    transactions.router,
    transactions_bulk.router,
    expenses.router,
    categories.router,
    tags.router,
    budget_figures.router,  # before budgets: `summary` is no id
    budgets.router,
    budget_money.router,
    budget_reservations.router,
    goals.router,
    recurring.router,
    rules.router,
    receipts.router,
    fx_rates.router,
    imports.router,
    cloud_costs.router,
    saved_queries.router,
    saved_queries.runs,
    exports.launches,
    exports.router,
    exports.links,
    refreshes.router,
    generations.router,
)

_REQUEST_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Outlay-Organization",
    "Range",
    REQUEST_ID_HEADER,
]
_ANSWER_HEADERS = [
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Outlay-As-Of",
    "Outlay-Dry-Run",
    "Outlay-Generation",
    "Outlay-Stale",
    RATE_LIMIT_HEADER,
    POLICY_HEADER,
    "Retry-After",
    REQUEST_ID_HEADER,
]


class Service(FastAPI):
    """FastAPI, with an OpenAPI document that tells the rest too."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = document.completed(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application; nothing is opened before its lifespan starts."""
    settings = settings or Settings()
    app = Service(
        title="Outlay",
        summary="Budget analytics",
        description=_DESCRIPTION,
        version=version("outlay"),
        openapi_tags=document.TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(settings),
        redirect_slashes=False,
    )
    app.state.metrics = Metrics()
    problems.install(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BODY_BYTES,
        larger={
            "/api/transactions:bulk": MAX_BULK_BYTES,
            "/api/imports": settings.import_max_bytes,
            "/api/transactions/[^/]+/receipt": settings.receipt_max_bytes,
            "/api/fx-rates:import": settings.import_max_bytes,
        },
    )
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )
    app.add_middleware(Observability, metrics=app.state.metrics)  # the last added is the outermost
    app.router.routes.extend(_routes())
    return app


@cache
def _routes() -> list[BaseRoute]:
    """Building them takes most of a second, and the apps of one process have the same."""
    every = APIRouter(generate_unique_id_function=_operation_id)
    for router in _ROUTERS:
        every.include_router(router, responses=problems.COMMON_RESPONSES)
    every.include_router(health.router)
    return every.routes


def _lifespan(settings: Settings) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings.log_level)
        async with AsyncExitStack() as stack:
            engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
            stack.push_async_callback(engine.dispose)
            scopes = ScopeCache(settings, engine)
            stack.push_async_callback(scopes.aclose)
            scopes.start()
            warehouse = Warehouse(settings)
            stack.callback(warehouse.close)
            launcher = DagsterLauncher(settings.dagster_graphql_url)
            stack.push_async_callback(launcher.aclose)
            limits = RateLimits(settings)
            receipt_files = open_receipt_files(settings)
            app.state.outlay = AppState(
                settings, engine, scopes, warehouse, launcher, limits, receipt_files
            )
            yield

    return lifespan


def _operation_id(route: APIRoute) -> str:
    return route.name
