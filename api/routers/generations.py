"""The generations that are kept, and how their marts compare with their source."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.answers import headers
from api.deps import CurrentScope, SettingsDep
from api.paging import Page
from api.problems import READ_RESPONSES, problem_responses
from api.query_parameters import naming_parameters, refuse_repetition
from api.schemas.analytics import Parameters
from api.schemas.generations import GenerationOut, ReconciliationAnswer, ReconciliationParameters
from backend.errors import Forbidden, Gone
from backend.warehouse import history

router = APIRouter(
    prefix="/api/analytics",
    tags=["analytics"],
    responses=READ_RESPONSES,
    dependencies=[Depends(refuse_repetition)],
)


@router.get("/generations")
async def list_generations(
    _: Annotated[Parameters, Query()],
    scope: CurrentScope,
    settings: SettingsDep,
    response: Response,
) -> Page[GenerationOut]:
    """All that are kept, the newest first: each can be asked by its id or instant as `as_of`."""
    kept = await history.retained_generations(settings.warehouse_dir, scope)
    response.headers.update(headers(stale=None))
    return Page(items=[GenerationOut.of(retained) for retained in kept], next_cursor=None)


@router.get("/reconciliation", responses=problem_responses(Forbidden, Gone))
async def get_reconciliation(
    parameters: Annotated[ReconciliationParameters, Query()],
    scope: CurrentScope,
    settings: SettingsDep,
    response: Response,
) -> ReconciliationAnswer:
    """Each mart against what PostgreSQL computed for it in the same snapshot, by currency.

    For those who see the whole organization; it covers no other.
    """
    with naming_parameters():
        generation, found = await history.reconciliation(
            settings.warehouse_dir, scope, parameters.as_of
        )
    response.headers.update(headers(stale=None))
    return ReconciliationAnswer.of(generation, found)
