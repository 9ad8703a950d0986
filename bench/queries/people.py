"""The organization of the world in PostgreSQL: its people, their accounts, and who asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import md5
from uuid import UUID

import asyncpg

from backend.db.bootstrap import connect
from backend.scope import Role
from backend.settings import Settings
from bench.callers import Caller, call_as
from bench.queries.world import ACCOUNTS_EACH, ORGANIZATION, PEOPLE_PER_MILLION, World

MEMBERS = range(92, 108)  # have 4,625 to 5,375 rows: about as many as people have in the mean
_SHARING, _ANALYST = 108, 0


@dataclass(frozen=True, slots=True)
class Callers:
    """Members on their own, one who also sees three accounts of others, and an analyst."""

    members: tuple[Caller, ...]
    sharing: Caller
    analyst: Caller

    @property
    def member(self) -> Caller:
        return self.members[0]


def settle(settings: Settings, world: World) -> Callers:
    """Put the people of the world into PostgreSQL."""
    return asyncio.run(_settle(settings, world))


def person_id(person: int) -> UUID:
    return UUID(f"{person:08x}{_digest(f'person {person}')[8:]}")


def account_id(person: int, number: int) -> UUID:
    return UUID(_digest(f"account {person} {number}"))


def shared_accounts(people: int) -> list[UUID]:
    """Each holds about half of the rows of its owner; the owners lie far apart."""
    middle = people // 2 // PEOPLE_PER_MILLION * PEOPLE_PER_MILLION
    return [account_id(person, 0) for person in (60, middle + 100, people - 60)]


def _digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


async def _settle(settings: Settings, world: World) -> Callers:
    connection = await connect(settings.admin_url())
    try:
        await _insert(connection, world.people)
    finally:
        await connection.close()
    *members, sharing, analyst = [
        await call_as(settings, ORGANIZATION, person_id(person))
        for person in (*MEMBERS, _SHARING, _ANALYST)
    ]
    return Callers(tuple(members), sharing, analyst)


async def _insert(connection: asyncpg.Connection[asyncpg.Record], people: int) -> None:
    """As a superuser, whom no policy stops: the way of the seeds takes a minute for so many."""
    everyone = range(people)
    tables: dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]] = {
        "organizations": (
            ("id", "name", "base_currency"),
            [(ORGANIZATION, "A large company", "EUR")],
        ),
        "users": (
            ("id", "email", "name"),
            [(person_id(p), f"person{p}@example.com", f"Person {p}") for p in everyone],
        ),
        "members": (
            ("organization_id", "user_id", "role"),
            [
                (ORGANIZATION, person_id(p), Role.ANALYST if p == _ANALYST else Role.MEMBER)
                for p in everyone
            ],
        ),
        "accounts": (
            ("organization_id", "id", "owner_id", "name", "type", "currency"),
            [
                (ORGANIZATION, account_id(p, n), person_id(p), f"Account {n} of {p}", "bank", "EUR")
                for p in everyone
                for n in range(ACCOUNTS_EACH)
            ],
        ),
        "account_shares": (
            ("organization_id", "account_id", "user_id"),
            [(ORGANIZATION, account, person_id(_SHARING)) for account in shared_accounts(people)],
        ),
    }
    for table, (columns, records) in tables.items():
        await connection.copy_records_to_table(table, records=records, columns=columns)
