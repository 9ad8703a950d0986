"""Questions to a dataset: simple ones by GET, any by POST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from api import answers
from api.answers import answer
from api.deps import CurrentScope, WarehouseDep
from api.problems import READ_RESPONSES, problem_responses
from api.query_parameters import QueryParameters, naming_parameters, refuse_repetition
from api.routers.datasets import DatasetId
from api.schemas.analytics import DatasetAnswer, Parameters
from api.schemas.queries import QueryIn
from backend.errors import FieldError, Gone, InvalidInput
from backend.warehouse.spec import QuerySpec

router = APIRouter(
    prefix="/api/analytics/datasets",
    tags=["datasets"],
    responses=READ_RESPONSES | problem_responses(Gone),
    dependencies=[Depends(refuse_repetition)],
)


@router.get("/{dataset_id}/query", response_model=DatasetAnswer, responses=answers.RESPONSES)
async def query_dataset(
    request: Request,
    dataset_id: DatasetId,
    parameters: Annotated[QueryParameters, Query()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
) -> Response:
    """The rows that you may see, in the order of the dataset: each person's by date.

    Besides the parameters below, any column can be filtered by `column[operator]=value`, such as
    `amount[gte]=100` or `account.name[starts_with]=Savings`. The operators are those of `POST`;
    `in`, `not_in`, `between` and `during` take several values, repeated or separated by commas.
    """
    with naming_parameters():
        common = parameters.common()
        spec = parameters.spec(dataset_id)
    with naming_parameters(common.texts):
        return await answer(request, warehouse, scope, spec, common)


@router.post("/{dataset_id}/query", response_model=DatasetAnswer, responses=answers.RESPONSES)
async def query_dataset_by_spec(
    request: Request,
    dataset_id: DatasetId,
    _: Annotated[Parameters, Query()],
    query: Annotated[QueryIn, Body()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
) -> Response:
    """Any question: groups, conditions in a tree, comparisons, filled periods, totals.

    It reads and nothing else. Ids in `filters` are values like others: one that you may not see
    finds no rows.
    """
    return await answer(request, warehouse, scope, _spec(query, dataset_id))


def _spec(query: QueryIn, dataset: str) -> QuerySpec:
    if query.dataset not in {"", dataset}:
        raise InvalidInput(
            "The query is of another dataset than the path.",
            errors=[FieldError("#/dataset", f"Leave it out, or write {dataset[:100]!a}.")],
        )
    return query.model_copy(update={"dataset": dataset})
