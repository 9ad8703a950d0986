"""What a query to a dataset really does, without running it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from api.answers import Caller, CurrentCaller, headers
from api.negotiation import requested_format
from api.problems import READ_RESPONSES, problem_responses
from api.query_parameters import QueryParameters, naming_parameters, refuse_repetition
from api.routers.datasets import DatasetId
from api.schemas.analytics import FormatParameters
from api.schemas.datasets import DatasetExplanation
from api.schemas.queries import QueryIn
from backend.analytics.asking import asked
from backend.errors import Gone
from backend.warehouse.common_filters import NO_FILTERS, CommonFilters
from backend.warehouse.formats import Format
from backend.warehouse.spec import QuerySpec

router = APIRouter(
    prefix="/api/analytics/datasets",
    tags=["datasets"],
    responses=READ_RESPONSES | problem_responses(Gone),
    dependencies=[Depends(refuse_repetition)],
)


@router.get("/{dataset_id}/explain")
async def explain_query(
    dataset_id: DatasetId,
    parameters: Annotated[QueryParameters, Query()],
    caller: CurrentCaller,
    response: Response,
) -> DatasetExplanation:
    """What `…/query` would do with the same parameters; it refuses what that would refuse."""
    with naming_parameters():
        format_ = requested_format(None, parameters.format)
        common = parameters.common()
        spec = parameters.spec(dataset_id)
    with naming_parameters(common.texts):
        return await _explanation(caller, response, spec, format_, common)


@router.post("/{dataset_id}/explain")
async def explain_query_by_spec(
    dataset_id: DatasetId,
    parameters: Annotated[FormatParameters, Query()],
    query: Annotated[QueryIn, Body()],
    caller: CurrentCaller,
    response: Response,
) -> DatasetExplanation:
    """What `…/query` would do with the same body; it refuses what that would refuse."""
    format_ = requested_format(None, parameters.format)
    return await _explanation(caller, response, query.of(dataset_id), format_)


async def _explanation(
    caller: Caller,
    response: Response,
    spec: QuerySpec,
    format_: Format,
    common: CommonFilters = NO_FILTERS,
) -> DatasetExplanation:
    async with asked(caller.state.warehouse, caller.scope, spec, common) as question:
        explanation, estimate = await question.explained(format_)
        response.headers.update(headers(stale=question.snapshot.is_stale))
        return DatasetExplanation.of(explanation, estimate, question.snapshot)
