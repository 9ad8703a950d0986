"""Booking cloud costs: a row that an account has already is left out, and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.copying import insert_records
from backend.scope import Scope
from backend.usage.models import CloudCost

CHUNK_ROWS = 10_000
_COLUMNS = [
    column.name
    for column in CloudCost.__table__.columns
    if column.name not in {"organization_id", "id", "cost_date", "created_at", "changed_xid"}
]


@dataclass(frozen=True, slots=True)
class Booked:
    """`existing` maps the place of a row that was there already to the id it has."""

    created: int
    existing: Mapping[int, UUID]


async def book_costs(
    session: AsyncSession,
    scope: Scope,
    account_id: UUID,
    import_id: UUID,
    rows: Sequence[Mapping[str, Any]],
) -> Booked:
    """Add `rows`, the columns of a CloudCost, each `row_digest` once; the caller locks the account.

    The import is what the audit records: it holds the digest of the file that all rows come from.
    """
    known = await _known(session, scope, account_id, [row["row_digest"] for row in rows])
    existing = {
        place: known[row["row_digest"]]
        for place, row in enumerate(rows)
        if row["row_digest"] in known
    }
    new = (row for place, row in enumerate(rows) if place not in existing)
    own = {"account_id": account_id, "import_id": import_id}
    created = await insert_records(
        session,
        CloudCost.__table__,
        _COLUMNS,
        ([(row | own)[name] for name in _COLUMNS] for row in map(dict, new)),
        chunk_rows=CHUNK_ROWS,
    )
    return Booked(created, existing)


async def _known(
    session: AsyncSession, scope: Scope, account_id: UUID, digests: Sequence[bytes]
) -> dict[bytes, UUID]:
    """The ids of the rows that are there already."""
    found: dict[bytes, UUID] = {}
    rest = iter(digests)
    while chunk := list(islice(rest, CHUNK_ROWS)):
        rows = await session.execute(
            select(CloudCost.row_digest, CloudCost.id).where(
                CloudCost.organization_id == scope.organization_id,
                CloudCost.account_id == account_id,
                CloudCost.row_digest == any_(literal(chunk, ARRAY(LargeBinary))),
            )
        )
        found |= {row.row_digest: row.id for row in rows}
    return found
