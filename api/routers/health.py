from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text

from api.deps import AppState, State
from api.observability import Metrics
from api.problems import problem_responses, respond
from api.schemas.health import Check, Liveness, Readiness
from backend.errors import OutlayError, Unavailable
from backend.scope import Role, Scope

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_SECONDS = 5.0

# A query needs somebody who asks; this one owns nothing and reads only what is public.
_NOBODY = Scope(user_id=UUID(int=0), organization_id=UUID(int=0), role=Role.VIEWER)

_log = structlog.get_logger(__name__)


def get_metrics(request: Request) -> Metrics:
    return cast("Metrics", request.app.state.metrics)


@router.get("/healthz")
async def get_liveness() -> Liveness:
    """Whether the process answers at all; asks nobody else."""
    return Liveness()


# Some probes ask for the head only.
router.add_api_route("/healthz", get_liveness, methods=["HEAD"], include_in_schema=False)


@router.get("/readyz", responses=problem_responses(Unavailable), response_model=Readiness)
async def get_readiness(request: Request, state: State) -> Readiness | Response:
    """A round trip to PostgreSQL and a real query of the current generation."""
    database, warehouse = await asyncio.gather(
        _check(_ask_database, state, "database"), _check(_ask_warehouse, state, "warehouse")
    )
    checks = {"database": database, "warehouse": warehouse}
    failed = [check.detail for check in checks.values() if not check.ok]
    if not failed:
        return Readiness(checks=checks)
    return respond(
        request,
        slug=Unavailable.slug,
        title=Unavailable.title,
        status=Unavailable.status,
        detail=" ".join(failed),
        extensions={"checks": {name: check.model_dump() for name, check in checks.items()}},
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics_text(
    state: State, metrics: Annotated[Metrics, Depends(get_metrics)]
) -> Response:
    """For Prometheus."""
    try:
        async with state.warehouse.snapshot() as snapshot:
            age = (datetime.now(UTC) - snapshot.as_of).total_seconds()
    except Unavailable:
        age = float("nan")
    metrics.generation_age.set(age)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _check(ask: Callable[[AppState], Awaitable[str]], state: AppState, name: str) -> Check:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            ok, detail = True, await ask(state)
    except OutlayError as error:
        ok, detail = False, error.detail
    except Exception:  # noqa: BLE001  # whatever it is, the answer is that it is not ready
        # Anyone may read this answer: the reason is for the log.
        _log.warning("check_failed", check=name, exc_info=True)
        ok, detail = False, f"The {name} does not answer."
    return Check(ok=ok, detail=detail, duration_ms=round((time.perf_counter() - began) * 1000, 2))


async def _ask_database(state: AppState) -> str:
    async with state.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return "PostgreSQL answers."


async def _ask_warehouse(state: AppState) -> str:
    async with state.warehouse.snapshot() as snapshot:
        counts = await snapshot.counts(_NOBODY, [snapshot.dataset("dim_date")])
        return f"Generation {snapshot.generation} answers with {counts['dim_date']} dates."
