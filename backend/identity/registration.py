"""New users, and organizations with their first owner."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg.exceptions import UniqueViolationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.engine import enter_organization
from backend.errors import Forbidden
from backend.identity.attempts import count_attempt
from backend.identity.models import Member, Organization, OrganizationKind
from backend.identity.passwords import hash_password
from backend.identity.permissions import require_login
from backend.scope import Role, Scope
from backend.settings import Settings


async def register(
    engine: AsyncEngine,
    settings: Settings,
    *,
    email: str,
    name: str,
    password: str,
    organization: dict[str, Any],
    address: str,
    now: datetime,
) -> None:
    """A user and their first organization, unless the e-mail is taken, which is not told.

    Either way it costs a hash of the password, so that the time does not tell it either.
    """
    if not settings.registration_open:
        raise Forbidden("Registration is closed here. Ask somebody for an invitation.")
    await count_attempt(engine, settings, email=None, address=address, now=now)
    password_hash = await hash_password(password)
    try:
        async with AsyncSession(engine) as session, session.begin():
            user_id = await create_user(session, email, name, password_hash)
            values = {"name": name, "kind": OrganizationKind.PERSONAL} | organization
            await _found_organization(session, user_id, values)
    except EmailTaken:
        return


class EmailTaken(Exception):
    """Somebody has this e-mail address; the transaction is lost."""


async def create_user(session: AsyncSession, email: str, name: str, password_hash: str) -> UUID:
    """`EmailTaken` also when a request at the same time takes it."""
    try:
        user_id: UUID = (
            await session.execute(select(func.create_user(email, name, password_hash)))
        ).scalar_one()
    except IntegrityError as error:
        if isinstance(error.driver_exception, UniqueViolationError):
            raise EmailTaken from None
        raise
    return user_id


async def create_organization(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> Organization:
    """Another organization of the caller's, who owns it; the session returns to where it was."""
    require_login(scope)
    organization = await _found_organization(session, scope.user_id, values)
    await enter_organization(session, scope.organization_id)
    return organization


async def _found_organization(
    session: AsyncSession, user_id: UUID, values: dict[str, Any]
) -> Organization:
    """Leaves the session in the new organization."""
    organization_id: UUID = (await session.execute(select(func.uuidv7()))).scalar_one()
    await enter_organization(session, organization_id)
    organization = Organization(id=organization_id, **values)
    session.add(organization)
    await session.flush()
    session.add(Member(organization_id=organization_id, user_id=user_id, role=Role.OWNER))
    await session.flush()
    await session.refresh(organization)
    actor = str(user_id)
    await record(
        session, actor, "create", "organization", organization_id, after=state_of(organization)
    )
    await record(session, actor, "create", "member", user_id, after={"role": Role.OWNER})
    return organization
