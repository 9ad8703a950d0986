"""Queries that members keep, and exports that were made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.analytics.models import Export, ExportStatus
from backend.analytics.rights import rights_of
from backend.db.engine import organization_session
from tests.world.hands import OWNERS, Hands
from tests.world.side import Place

SPEC = {
    "dataset": "fct_transactions",
    "dimensions": [{"column": "kind"}],
    "measures": ["total_amount"],
}


async def fill_questions(engine: AsyncEngine, hands: Hands) -> None:
    """The shared query is the owner's, everything else is seen by nobody but whose it is."""
    side = hands.side
    for kind in ("saved_query", "unused_saved_query"):
        side.ids[kind] = {
            place: await hands.make(
                "/api/analytics/saved-queries",
                OWNERS[place],
                name=side.text(kind, place),
                spec=SPEC,
                shared=place is Place.SHARED,
            )
            for place in Place
        }
    for kind in ("export", "unused_export"):
        side.ids[kind] = {
            place: await _export(engine, hands, place) for place in (Place.OWN, Place.HIDDEN)
        }


async def _export(engine: AsyncEngine, hands: Hands, place: Place) -> UUID:
    """Not by the API: nobody runs Dagster here."""
    scope = hands.side.members[OWNERS[place]]
    async with organization_session(engine, scope.organization_id) as session:
        row = Export(
            requested_by=scope.user_id,
            spec=SPEC,
            format="csv",
            file_name=f"{hands.side.text('export', place)}.csv",
            rights=rights_of(scope),
            status=ExportStatus.EXPIRED,
            finished_at=datetime.now(UTC),
        )
        session.add(row)
        await session.flush()
        return row.id
