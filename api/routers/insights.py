"""Ready-made questions, and whether there is anything to answer them from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.answers import RESPONSES as ANSWERS
from api.answers import CurrentCaller, answer, headers
from api.deps import CurrentScope, WarehouseDep
from api.problems import READ_RESPONSES
from api.query_parameters import naming_parameters, refuse_repetition
from api.schemas.analytics import (
    AnalyticsStatus,
    DatasetAnswer,
    InsightParameters,
    Parameters,
    TagInsightParameters,
)
from backend.analytics import questions
from backend.errors import Unavailable

router = APIRouter(
    prefix="/api/analytics",
    tags=["insights"],
    responses=READ_RESPONSES,
    dependencies=[Depends(refuse_repetition)],
)


@router.get("/status")
async def get_analytics_status(
    _: Annotated[Parameters, Query()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
    response: Response,
) -> AnalyticsStatus:
    """Works without a generation too, and then says how to get one."""
    try:
        async with warehouse.snapshot() as snapshot:
            response.headers.update(headers(stale=snapshot.is_stale))
            return AnalyticsStatus(
                available=True,
                generation=snapshot.generation,
                as_of=snapshot.as_of,
                age_seconds=snapshot.age_seconds,
                stale=snapshot.is_stale,
                datasets=len(snapshot.datasets),
                row_counts=await snapshot.counts(scope, snapshot.datasets.values()),
            )
    except Unavailable as error:
        response.headers.update(headers(stale=None))
        return AnalyticsStatus(available=False, detail=error.detail)


@router.get("/spending-by-tag", response_model=DatasetAnswer, responses=ANSWERS)
async def get_spending_by_tag(
    parameters: Annotated[TagInsightParameters, Query()],
    caller: CurrentCaller,
) -> Response:
    """What was spent under each tag and currency, the most first; untagged spending has no tag.

    A transaction counts under each of its tags, so that the rows do not add up to all spending.
    """
    with naming_parameters():
        spec = parameters.of(questions.spending_by_tag())
        return await answer(caller, spec, parameters.common())


@router.get("/trends", response_model=DatasetAnswer, responses=ANSWERS)
async def get_trends(
    parameters: Annotated[InsightParameters, Query()],
    caller: CurrentCaller,
) -> Response:
    """Income, spending, what remained and the share of income saved, by month and currency.

    The first month that the range touches counts whole.
    """
    with naming_parameters():
        spec = parameters.of(questions.trends())
        return await answer(caller, spec, parameters.common())


@router.get("/balance-history", response_model=DatasetAnswer, responses=ANSWERS)
async def get_balance_history(
    parameters: Annotated[InsightParameters, Query()],
    caller: CurrentCaller,
) -> Response:
    """The balance of each account on each day."""
    with naming_parameters():
        spec = parameters.of(questions.balance_history())
        return await answer(caller, spec, parameters.common())
