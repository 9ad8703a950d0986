"""Queries that people keep, and asking them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from api.answers import CurrentCaller, answer
from api.deps import CurrentScope, Now, Session, WarehouseDep
from api.negotiation import requested_format
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES, problem_responses
from api.query_parameters import refuse_repetition
from api.routers.dataset_queries import ANSWERS, accepted
from api.routes import Route
from api.schemas.analytics import DatasetAnswer, FormatParameters
from api.schemas.saved_queries import (
    RunIn,
    SavedQueryCreate,
    SavedQueryListParams,
    SavedQueryOut,
    SavedQueryPatch,
)
from backend.analytics import saved_queries
from backend.analytics.models import SavedQuery
from backend.analytics.stored_specs import (
    SpecStatus,
    Standing,
    broken,
    check,
    reread,
    standing,
)
from backend.db.outage import reachable_session
from backend.errors import Conflict, NotAcceptable, Unavailable
from backend.scope import Scope
from backend.warehouse.datasets import Dataset
from backend.warehouse.store import Warehouse

router = APIRouter(prefix="/api/analytics/saved-queries", tags=["saved queries"], route_class=Route)
runs = APIRouter(
    prefix=router.prefix,
    tags=["saved queries"],
    responses=READ_RESPONSES | problem_responses(Conflict, NotAcceptable),
    dependencies=[Depends(refuse_repetition)],
)

_Datasets = Mapping[str, Dataset] | None
_AS_SAVED = RunIn()


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_saved_query(
    *,
    body: SavedQueryCreate,
    scope: CurrentScope,
    session: Session,
    warehouse: WarehouseDep,
    now: Now,
    request: Request,
    response: Response,
) -> SavedQueryOut:
    """Keep a query; it is checked against the current generation, if there is one."""
    datasets = await _datasets(warehouse)
    row = await saved_queries.create_saved_query(session, scope, body.columns())
    check(datasets, body.spec.query, scope, now)
    response.headers["Location"] = str(
        request.url_for("get_saved_query", saved_query_id=row.id).path
    )
    return SavedQueryOut.of(row, _standing(datasets, row, scope, now))


@router.get("")
async def list_saved_queries(
    params: Annotated[SavedQueryListParams, Query()],
    scope: CurrentScope,
    session: Session,
    warehouse: WarehouseDep,
    now: Now,
) -> Page[SavedQueryOut]:
    """Your own and those that are shared, by name."""
    window = params.window(saved_queries.BY_NAME)
    rows = await saved_queries.list_saved_queries(
        session, scope, window, q=params.q, dataset=params.dataset, shared=params.shared
    )
    datasets = await _datasets(warehouse)
    return page(
        rows,
        saved_queries.BY_NAME,
        window,
        lambda row: SavedQueryOut.of(row, _standing(datasets, row, scope, now)),
    )


@router.get("/{saved_query_id}", responses=READ_RESPONSES)
async def get_saved_query(
    saved_query_id: UUID, scope: CurrentScope, session: Session, warehouse: WarehouseDep, now: Now
) -> SavedQueryOut:
    """Also when it cannot be asked any more: then it says what broke."""
    row = await saved_queries.get_saved_query(session, scope, saved_query_id)
    return SavedQueryOut.of(row, _standing(await _datasets(warehouse), row, scope, now))


@router.patch("/{saved_query_id}", responses=WRITE_RESPONSES)
async def update_saved_query(
    *,
    saved_query_id: UUID,
    body: SavedQueryPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
    warehouse: WarehouseDep,
    now: Now,
) -> SavedQueryOut:
    """Only your own; a new `spec` is checked as that of a new query is."""
    row = await saved_queries.update_saved_query(
        session, scope, saved_query_id, body.columns(), expected
    )
    datasets = await _datasets(warehouse)
    if "spec" in body.model_fields_set:
        check(datasets, body.spec.query, scope, now)
    return SavedQueryOut.of(row, _standing(datasets, row, scope, now))


@router.delete("/{saved_query_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_saved_query(
    saved_query_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Your own; administrators may delete any that is shared."""
    await saved_queries.delete_saved_query(session, scope, saved_query_id, expected)


@runs.post("/{saved_query_id}/run", response_model=DatasetAnswer, responses=ANSWERS)
async def run_saved_query(
    *,
    saved_query_id: UUID,
    parameters: Annotated[FormatParameters, Query()],
    body: Annotated[RunIn, Body()] = _AS_SAVED,
    caller: CurrentCaller,
) -> Response:
    """Over what you may see, whoever saved it. It reads and nothing else.

    A query that has lost its dataset, a column or a measure is a 409 that names it. JSON comes in
    pages; the other formats go on to the last row, unless a `limit` was saved or is given.
    """
    format_ = requested_format(accepted(caller), parameters.format)
    state, scope = caller.state, caller.scope
    async with reachable_session(state.engine, scope.organization_id) as session:
        row = await saved_queries.get_saved_query(session, scope, saved_query_id)
    spec = reread(row.spec, row.spec_version, body.given())
    if spec.cursor is None:  # with one, the generation that it goes on in decides
        async with state.warehouse.snapshot(spec.as_of) as snapshot:
            found = _standing(snapshot.datasets, row, scope, snapshot.now)
        if found.status is SpecStatus.BROKEN:
            raise broken(found.problems)
    return await answer(caller, spec, format_=format_)


async def _datasets(warehouse: Warehouse) -> _Datasets:
    """Those of the current generation; None when there is none."""
    try:
        async with warehouse.snapshot() as snapshot:
            return snapshot.datasets
    except Unavailable:
        return None


def _standing(datasets: _Datasets, row: SavedQuery, scope: Scope, now: datetime) -> Standing:
    return standing(datasets, row.spec, row.spec_version, scope, now)
