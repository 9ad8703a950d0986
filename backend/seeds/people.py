"""The people of a seeded organization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import case, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.identity.models import Member, User
from backend.identity.passwords import hash_password
from backend.scope import ApprovalLevel, Role


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    role: Role
    approval_level: ApprovalLevel = ApprovalLevel.AUTOMATIC


@dataclass(frozen=True, slots=True)
class SeededUser:
    email: str
    name: str
    role: Role
    user_id: UUID
    organization_id: UUID


_CREATE_MISSING_USERS = text("""
    SELECT p.email, coalesce(
        (SELECT user_id FROM find_login(p.email)),
        create_user(p.email, p.name, CAST(:password_hash AS text))) AS user_id
    FROM unnest(CAST(:emails AS text[]), CAST(:names AS text[])) AS p (email, name)
""")


async def add_members(
    session: AsyncSession, people: Sequence[Person], *, password: str | None = None
) -> Mapping[str, UUID]:
    """Make `people` members of the session's organization and answer their user ids by e-mail.

    Somebody whose e-mail is known stays the user they are, with the password they have; new users
    get `password`, and without one they cannot log in by password.
    """
    found = await session.execute(
        _CREATE_MISSING_USERS,
        {
            "emails": [person.email for person in people],
            "names": [person.name for person in people],
            "password_hash": None if password is None else await hash_password(password),
        },
    )
    user_ids: dict[str, UUID] = {row.email: row.user_id for row in found}
    await session.execute(
        insert(Member),
        [
            {
                "user_id": user_ids[person.email],
                "role": person.role,
                "approval_level": person.approval_level,
            }
            for person in people
        ],
    )
    return user_ids


async def members(session: AsyncSession, *, limit: int) -> list[SeededUser]:
    """Members of the session's organization, the most powerful role first, then by e-mail."""
    rank = case({role.value: rank for rank, role in enumerate(Role)}, value=Member.role)
    rows = await session.execute(
        select(User.email, User.name, Member.role, User.id, Member.organization_id)
        .join(Member, Member.user_id == User.id)
        .order_by(rank, func.lower(User.email))
        .limit(limit)
    )
    return [
        SeededUser(email, name, Role(role), user_id, organization_id)
        for email, name, role, user_id, organization_id in rows
    ]
