"""Which query an export is of, found to be valid before anything is started."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.analytics.rights import require_saver
from backend.analytics.saved_queries import get_saved_query
from backend.analytics.stored_specs import broken, check, compile_spec, problems_of, reread
from backend.db.outage import reachable_session
from backend.errors import FieldError, InvalidInput, NotFound
from backend.scope import Scope
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse


async def query_to_export(
    engine: AsyncEngine, warehouse: Warehouse, scope: Scope, query: QuerySpec | UUID
) -> QuerySpec:
    """`query` was sent, or is the id of a saved one: InvalidInput and Conflict when it is broken.

    Gone for a generation that is not kept, Unavailable without any.
    """
    require_saver(scope)
    if isinstance(query, QuerySpec):
        async with warehouse.snapshot(query.as_of) as snapshot:
            check(snapshot.datasets, query, scope, snapshot.now)
        return query
    saved = await _saved(engine, scope, query)
    async with warehouse.snapshot(saved.as_of) as snapshot:
        try:
            compile_spec(snapshot.datasets, saved, scope, snapshot.now)
        except (InvalidInput, NotFound) as error:
            raise broken(problems_of(error)) from None
    return saved


async def _saved(engine: AsyncEngine, scope: Scope, query_id: UUID) -> QuerySpec:
    async with reachable_session(engine, scope.organization_id) as session:
        try:
            row = await get_saved_query(session, scope, query_id)
        except NotFound as error:
            fault = FieldError("#/saved_query_id", error.detail)
            raise InvalidInput(
                "The request refers to something that does not exist.", errors=[fault]
            ) from None
    return reread(row.spec, row.spec_version, {})
