"""The second wall: were a query to forget its scope, PostgreSQL would still show nothing.

The tables are read from the catalogue, so that a new one is covered when it is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from asyncpg.exceptions import InsufficientPrivilegeError

from backend.db.bootstrap import connect
from backend.db.migrations.identity import IDENTITY_ONLY
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# People are global; the application sees those of its organization.
_OF_NOBODY = {"users", "alembic_version"}

_RELATIONS = """
SELECT c.relname AS name, c.relkind IN ('v', 'm') AS is_view,
    array_agg(a.attname::text ORDER BY a.attnum) AS columns,
    array_agg(a.attname::text ORDER BY a.attnum)
        FILTER (WHERE a.attgenerated = '' AND a.attidentity = '') AS written
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY c.oid ORDER BY c.relname
"""
_MAY = "SELECT has_table_privilege('outlay_app', $1::regclass, $2)"


@dataclass(frozen=True, slots=True)
class Relation:
    """`key` holds the organization; `written` are the columns that an INSERT may name."""

    name: str
    key: str
    is_view: bool
    written: list[str]


@dataclass(frozen=True, slots=True)
class Wall:
    """`app` is the application in our context; `admin` is nobody's and sees everything."""

    app: asyncpg.Connection[Any]
    admin: asyncpg.Connection[Any]
    relations: list[Relation]
    ours: UUID
    theirs: UUID

    @property
    def tables(self) -> list[Relation]:
        return [relation for relation in self.relations if not relation.is_view]

    async def may(self, relation: Relation, privilege: str) -> bool:
        return bool(await self.admin.fetchval(_MAY, relation.name, privilege))

    async def attempt(self, statement: str, *values: object) -> str:
        """What PostgreSQL says to the application; nothing of it stays."""
        transaction = self.app.transaction()
        await transaction.start()
        try:
            context = "SELECT set_config('outlay.organization_id', $1, true)"
            await self.app.execute(context, str(self.ours))
            return await self.app.execute(statement, *values)
        except InsufficientPrivilegeError:
            return "refused"
        finally:
            await transaction.rollback()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def wall(world: World) -> AsyncIterator[Wall]:
    app = await connect(world.settings.role_url("outlay_app"))
    admin = await connect(world.settings.admin_url())
    relations = [
        Relation(row["name"], _key_of(row["name"], row["columns"]), row["is_view"], row["written"])
        for row in await admin.fetch(_RELATIONS)
        if row["name"] not in {*_OF_NOBODY, *IDENTITY_ONLY}
    ]
    ids = world.ours.organization_id, world.theirs.organization_id
    yield Wall(app, admin, relations, *ids)
    await app.close()
    await admin.close()


def _key_of(name: str, columns: list[str]) -> str:
    key = "id" if name == "organizations" else "organization_id"
    assert key in columns, f"whose are the rows of {name}?"
    return key


async def test_there_is_something_of_theirs_everywhere(wall: Wall) -> None:
    """Else the tests below could not fail: add to tests/world what is missing."""
    empty = [
        r.name
        for r in wall.relations
        if not await wall.admin.fetchval(
            f"SELECT count(*) FROM {r.name} WHERE {r.key} = $1", wall.theirs
        )
    ]
    assert empty == []
    assert len(wall.tables) > 20


async def test_theirs_are_not_seen(wall: Wall) -> None:
    seen = {}
    for r in wall.relations:
        if await wall.may(r, "SELECT"):
            seen[r.name] = await wall.attempt(
                f"SELECT 1 FROM {r.name} WHERE {r.key} = $1", wall.theirs
            )
    assert set(seen.values()) == {"SELECT 0"}, seen


async def test_ours_are_seen(wall: Wall) -> None:
    """So that it is the organization that hides theirs, and nothing else."""
    for r in wall.relations:
        if await wall.may(r, "SELECT"):
            seen = await wall.attempt(f"SELECT 1 FROM {r.name} WHERE {r.key} = $1", wall.ours)
            assert seen != "SELECT 0", r.name


async def test_without_an_organization_nothing_is_seen(wall: Wall) -> None:
    for r in wall.relations:
        if await wall.may(r, "SELECT"):
            assert await wall.app.fetch(f"SELECT 1 FROM {r.name}") == [], r.name


async def test_theirs_are_not_changed(wall: Wall) -> None:
    for r in wall.tables:
        said = await wall.attempt(
            f"UPDATE {r.name} SET {r.key} = {r.key} WHERE {r.key} = $1", wall.theirs
        )
        assert said in {"UPDATE 0", "refused"}, (r.name, said)


async def test_theirs_are_not_deleted(wall: Wall) -> None:
    for r in wall.tables:
        said = await wall.attempt(f"DELETE FROM {r.name} WHERE {r.key} = $1", wall.theirs)
        assert said in {"DELETE 0", "refused"}, (r.name, said)


async def test_nothing_is_added_to_theirs(wall: Wall) -> None:
    """Not even a row that is there already: the wall is asked before the primary key."""
    for r in wall.tables:
        row = await wall.admin.fetchval(
            f"SELECT to_jsonb(t) FROM {r.name} t WHERE {r.key} = $1 LIMIT 1", wall.theirs
        )
        columns = ", ".join(r.written)
        said = await wall.attempt(
            f"INSERT INTO {r.name} ({columns}) "
            f"SELECT {columns} FROM jsonb_populate_record(NULL::{r.name}, $1)",
            row,
        )
        assert said == "refused", (r.name, said)


async def test_ours_are_not_given_to_them(wall: Wall) -> None:
    for r in wall.tables:
        said = await wall.attempt(f"UPDATE {r.name} SET {r.key} = $1", wall.theirs)
        assert said == "refused", (r.name, said)


async def test_people_of_theirs_are_not_seen(wall: Wall, world: World) -> None:
    theirs = [scope.user_id for scope in world.theirs.members.values()]
    assert await wall.attempt("SELECT id FROM users WHERE id = ANY ($1)", theirs) == "SELECT 0"
    ours = [scope.user_id for scope in world.ours.members.values()]
    seen = await wall.attempt("SELECT id FROM users WHERE id = ANY ($1)", ours)
    assert seen == f"SELECT {len(ours)}"


async def test_what_acts_with_other_rights_is_the_identitys_and_bound_fast(wall: Wall) -> None:
    """A SECURITY DEFINER function looks past the wall: who may call it and what it does is fixed.

    What is not the identity role's answers no row: it refreshes statistics, counts what it
    forgets, or is a trigger.
    """
    rows = await wall.admin.fetch(
        """
        SELECT p.proname AS name, pg_get_userbyid(p.proowner) AS owner,
            has_function_privilege('public', p.oid, 'EXECUTE') AS open,
            p.prosqlbody IS NOT NULL OR p.proconfig::text LIKE '%search_path=public, pg_temp%'
                AS bound,
            p.prorettype IN ('void'::regtype, 'trigger'::regtype, 'bigint'::regtype)
                AND NOT p.proretset AS silent
        FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        """
    )
    assert len(rows) > 10
    for row in rows:
        assert row["owner"] == "outlay_identity" or row["silent"], row["name"]
        assert not row["open"], row["name"]
        assert row["bound"], row["name"]
