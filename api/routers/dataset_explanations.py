"""What a query to a dataset really does, without running it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from api.answers import headers
from api.deps import CurrentScope, WarehouseDep
from api.problems import READ_RESPONSES, problem_responses
from api.query_parameters import QueryParameters, naming_parameters, refuse_repetition
from api.routers.datasets import DatasetId
from api.schemas.analytics import Parameters
from api.schemas.datasets import DatasetExplanation
from api.schemas.queries import QueryIn
from backend.analytics.asking import asked
from backend.errors import Gone
from backend.scope import Scope
from backend.warehouse.common_filters import CommonFilters
from backend.warehouse.explain import explain
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse

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
    scope: CurrentScope,
    warehouse: WarehouseDep,
    response: Response,
) -> DatasetExplanation:
    """What `…/query` would do with the same parameters; it refuses what that would refuse."""
    with naming_parameters():
        common = parameters.common()
        spec = parameters.spec(dataset_id)
    with naming_parameters(common.texts):
        return await _explanation(warehouse, scope, spec, response, common)


@router.post("/{dataset_id}/explain")
async def explain_query_by_spec(  # what a request brings
    dataset_id: DatasetId,
    _: Annotated[Parameters, Query()],
    query: Annotated[QueryIn, Body()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
    response: Response,
) -> DatasetExplanation:
    """What `…/query` would do with the same body; it refuses what that would refuse."""
    return await _explanation(warehouse, scope, query.of(dataset_id), response)


async def _explanation(
    warehouse: Warehouse,
    scope: Scope,
    spec: QuerySpec,
    response: Response,
    common: CommonFilters | None = None,
) -> DatasetExplanation:
    async with asked(warehouse, scope, spec, common or CommonFilters()) as asking:
        await asking.check()
        snapshot, question = asking.snapshot, asking.question
        compiled = question.page()
        explanation = explain(question.dataset, question.resolved, compiled, scope)
        estimate = await snapshot.estimate(question, compiled)
        response.headers.update(headers(stale=snapshot.is_stale))
        return DatasetExplanation.of(explanation, estimate, snapshot)
