"""The people of an organization: what they may do, and leaving it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg.exceptions import ForeignKeyViolationError
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.versions import Expected, require_version
from backend.errors import Conflict, Forbidden, NotFound
from backend.identity.models import Member, Organization, User
from backend.identity.permissions import require_administrator
from backend.scope import Role, Scope

MEMBERS_BY_NAME = Order((User.name, Member.user_id))


@dataclass(frozen=True, slots=True)
class Person:
    """A member and the user behind them."""

    member: Member
    user: User

    @property
    def user_id(self) -> UUID:
        return self.member.user_id

    @property
    def name(self) -> str:
        return self.user.name


def shows_address(scope: Scope, user_id: UUID) -> bool:
    """Every member may see who the others are; an address is for those who see everything."""
    return scope.sees_whole_organization or user_id == scope.user_id


async def list_people(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    role: Role | None = None,
    q: str | None = None,
) -> Sequence[Person]:
    statement = _people(scope)
    if role is not None:
        statement = statement.where(Member.role == role)
    if q is not None:
        statement = statement.where(User.name.icontains(q, autoescape=True))
    rows = await session.execute(windowed(statement, MEMBERS_BY_NAME, window))
    return [Person(member, user) for member, user in rows]


async def get_person(session: AsyncSession, scope: Scope, user_id: UUID) -> Person:
    row = (await session.execute(_people(scope).where(Member.user_id == user_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such member.")
    return Person(*row)


async def get_member(
    session: AsyncSession, scope: Scope, user_id: UUID, *, lock: bool = False
) -> Member:
    statement = select(Member).where(
        Member.organization_id == scope.organization_id, Member.user_id == user_id
    )
    member = await session.scalar(locked(statement) if lock else statement)
    if member is None:
        raise NotFound("There is no such member.")
    return member


async def update_member(
    session: AsyncSession,
    scope: Scope,
    user_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> Person:
    """Role and approval level. An owner's are an owner's business, and one owner stays."""
    require_administrator(scope)
    await _lock_owners(session, scope)
    member = await get_member(session, scope, user_id, lock=True)
    require_version(member, expected)
    if scope.role is not Role.OWNER:
        if Role.OWNER in {member.role, changes.get("role")}:
            raise Forbidden("Only an owner may make or change an owner.")
        if user_id == scope.user_id:
            raise Forbidden("Somebody else has to change your own role and approval level.")
    if changes.get("role", Role.OWNER) != Role.OWNER:
        await _keep_an_owner(session, scope, member)
    before = state_of(member)
    for name, value in changes.items():
        setattr(member, name, value)
    await session.flush()
    await session.refresh(member)
    await record(session, scope, "update", "member", user_id, before=before, after=state_of(member))
    return await get_person(session, scope, user_id)


async def remove_member(
    session: AsyncSession, scope: Scope, user_id: UUID, expected: Expected = None
) -> None:
    """Everybody may leave. `Conflict` for the last owner, and while something belongs to them."""
    if scope.read_only:
        raise Forbidden("This token may only read.")
    if user_id != scope.user_id:
        require_administrator(scope)
    elif scope.without_admin:
        raise Forbidden("This needs a login, or a token with the scope `admin`.")
    await _lock_owners(session, scope)
    member = await get_member(session, scope, user_id, lock=True)
    require_version(member, expected)
    if member.role == Role.OWNER and scope.role is not Role.OWNER:
        raise Forbidden("Only an owner may remove an owner.")
    await _keep_an_owner(session, scope, member)
    before = state_of(member)
    try:
        async with session.begin_nested():
            await session.delete(member)
            await session.flush()
    except IntegrityError as error:
        raise _still_owns(error) from None
    await record(session, scope, "delete", "member", user_id, before=before)


def _still_owns(error: IntegrityError) -> Exception:
    """What refers to the member is the layers' above; PostgreSQL knows its name."""
    cause = error.driver_exception
    if not isinstance(cause, ForeignKeyViolationError):
        return error
    things = (cause.table_name or "something").replace("_", " ")
    return Conflict(
        f"They still own {things}: give these to another member first, by their `owner_id`."
    )


async def _lock_owners(session: AsyncSession, scope: Scope) -> None:
    """Two owners who demote each other at once must not both succeed."""
    mine = select(Organization.id).where(Organization.id == scope.organization_id)
    await session.execute(locked(mine))


async def _keep_an_owner(session: AsyncSession, scope: Scope, member: Member) -> None:
    if member.role != Role.OWNER:
        return
    others = (
        select(Member.user_id)
        .join(User, User.id == Member.user_id)
        .where(
            Member.organization_id == scope.organization_id,
            Member.role == Role.OWNER,
            Member.user_id != member.user_id,
            User.active,
        )
    )
    if await session.scalar(others.limit(1)) is None:
        raise Conflict("This is the last owner: make somebody else an owner first.")


def _people(scope: Scope) -> Select[Member, User]:
    shown = load_only(User.email, User.name, User.active, User.password_reset_requested_at)
    return (
        select(Member, User)
        .join(User, User.id == Member.user_id)
        .where(Member.organization_id == scope.organization_id)
        .options(shown)
    )
