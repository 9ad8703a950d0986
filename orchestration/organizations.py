"""Doing the same for every organization: each in a transaction and context of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import NullPool, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from backend.db.engine import create_engine, organization_session
from backend.identity.models import Organization
from backend.periods import today_in
from backend.scope import Role, Scope
from backend.settings import Settings

NOBODY = UUID(int=0)

Answer = TypeVar("Answer")
Work = Callable[[AsyncSession, Scope, date], Awaitable[Answer]]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome(Generic[Answer]):
    """What the work answered, and why it failed, by organization."""

    answers: dict[UUID, Answer] = field(default_factory=dict)
    failures: dict[UUID, str] = field(default_factory=dict)


async def for_each_organization(
    settings: Settings, job: str, work: Work[Answer], now: datetime
) -> Outcome[Answer]:
    """Call `work` with a scope of the job's and the day it is there; one's failure is its own."""
    outcome: Outcome[Answer] = Outcome()
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        for organization in await _organizations(settings):
            scope = _scope(organization, job)
            try:
                outcome.answers[organization.id] = await _work(engine, scope, work, now)
            except Exception as error:  # noqa: BLE001  # whatever it is, the others come next
                # Its message may hold what is the organization's own: that stays in the log.
                _log.exception("upkeep_failed", job=job, organization_id=str(organization.id))
                outcome.failures[organization.id] = type(error).__name__
    finally:
        await engine.dispose()
    return outcome


async def _work(engine: AsyncEngine, scope: Scope, work: Work[Answer], now: datetime) -> Answer:
    async with organization_session(engine, scope.organization_id) as session:
        return await work(session, scope, today_in(scope.time_zone, now))


def _scope(organization: Organization, job: str) -> Scope:
    """The job may write everything there, in nobody's name."""
    return Scope(
        user_id=NOBODY,
        organization_id=organization.id,
        role=Role.OWNER,
        base_currency=organization.base_currency,
        time_zone=organization.time_zone,
        fiscal_year_start_month=organization.fiscal_year_start_month,
        job=job,
    )


async def _organizations(settings: Settings) -> Sequence[Organization]:
    """Only the role that extracts sees them all."""
    url = settings.role_url("outlay_extract", driver="asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with AsyncSession(engine) as session:
            found = await session.scalars(select(Organization).order_by(Organization.id))
            return found.all()
    finally:
        await engine.dispose()
