"""The organization that a seed fills, made once."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.identity.models import Organization, OrganizationKind


def seed_organization_id(*parts: object) -> UUID:
    """The same id in every database, so that documentation can name it.

    What a seed puts into the organization takes its ids from it in the same way:
    ``uuid5(organization_id, "account/…")``.
    """
    return uuid5(NAMESPACE_URL, "/".join(["https://outlay.example/seeds", *map(str, parts)]))


async def create_organization(
    session: AsyncSession,
    name: str,
    *,
    kind: OrganizationKind,
    base_currency: str,
    time_zone: str,
    fiscal_year_start_month: int = 1,
) -> bool:
    """Insert the organization of the session's context; false when it is there already.

    A seed fills its organization in the same transaction, so one that exists is complete. Two seeds
    at once: the second waits here for the first to commit, and then finds it.
    """
    created = await session.scalar(
        insert(Organization)
        .values(
            id=select(func.current_organization()).scalar_subquery(),
            name=name,
            kind=kind,
            base_currency=base_currency,
            time_zone=time_zone,
            fiscal_year_start_month=fiscal_year_start_month,
        )
        .on_conflict_do_nothing()
        .returning(Organization.id)
    )
    return created is not None
