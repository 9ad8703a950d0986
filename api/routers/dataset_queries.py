"""Questions to a dataset: simple ones by GET, any by POST."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Response

from api import answers
from api.answers import Caller, CurrentCaller, answer
from api.negotiation import requested_format
from api.problems import READ_RESPONSES, problem_responses
from api.query_parameters import documented, naming_parameters, refuse_repetition, simple_query
from api.routers.datasets import DatasetId
from api.schemas.analytics import DatasetAnswer, FormatParameters
from api.schemas.queries import QueryIn
from backend.errors import FieldError, InvalidInput, NotAcceptable
from backend.warehouse.formats import Format
from backend.warehouse.spec import QuerySpec

router = APIRouter(
    prefix="/api/analytics/datasets",
    tags=["datasets"],
    responses=READ_RESPONSES | problem_responses(NotAcceptable),
)

ANSWERS: dict[int | str, dict[str, Any]] = answers.RESPONSES | {
    200: answers.RESPONSES[200]
    | {"content": {f.media_type: {"schema": {"type": "string"}} for f in Format if f.is_stream}}
}


@router.get(
    "/{dataset_id}/query",
    response_model=DatasetAnswer,
    responses=ANSWERS,
    openapi_extra=documented(),
)
async def query_dataset(dataset_id: DatasetId, caller: CurrentCaller) -> Response:
    """The rows that you may see, in the order of the dataset: each person's by date.

    Besides the parameters below, any column can be filtered by `column[operator]=value`, such as
    `amount[gte]=100` or `account.name[starts_with]=Savings`. The operators are those of `POST`;
    `in`, `not_in`, `between` and `during` take several values, repeated or separated by commas.

    JSON comes in pages. The other formats go on to the last row, unless a `limit` is given.
    """
    query = simple_query(caller.request, dataset_id)
    with naming_parameters(query.common.texts):
        format_ = requested_format(accepted(caller), query.format)
        return await answer(caller, query.spec, query.common, format_)


@router.post(
    "/{dataset_id}/query",
    response_model=DatasetAnswer,
    responses=ANSWERS,
    dependencies=[Depends(refuse_repetition)],
)
async def query_dataset_by_spec(
    dataset_id: DatasetId,
    parameters: Annotated[FormatParameters, Query()],
    query: Annotated[QueryIn, Body()],
    caller: CurrentCaller,
) -> Response:
    """Any question: groups, conditions in a tree, comparisons, filled periods, totals.

    It reads and nothing else. Ids in `filters` are values like others: one that you may not see
    finds no rows.
    """
    format_ = requested_format(accepted(caller), parameters.format)
    return await answer(caller, _spec(query, dataset_id), format_=format_)


def accepted(caller: Caller) -> str | None:
    """Undeclared, since OpenAPI tells it by the media types of the answer."""
    return ",".join(caller.request.headers.getlist("Accept")) or None


def _spec(query: QueryIn, dataset: str) -> QuerySpec:
    if query.dataset not in {"", dataset}:
        raise InvalidInput(
            "The query is of another dataset than the path.",
            errors=[FieldError("#/dataset", f"Leave it out, or write {dataset[:100]!a}.")],
        )
    return query.model_copy(update={"dataset": dataset})
