"""Roles and databases of one Outlay instance, made with the administrator's login.

The four roles: `outlay_owner` (DDL only: under FORCE it reads nothing), `outlay_app` (policies
apply), `outlay_extract` (reads everything, writes nothing), `outlay_identity` (NOLOGIN; owns the
functions that run before an organization is known). `outlay_dagster` owns Dagster's own database.
"""

from __future__ import annotations

import asyncpg
from sqlalchemy.engine import URL

from backend.settings import Settings

MINIMUM_SERVER_VERSION = 18

_LOGIN_ROLES = ("outlay_owner", "outlay_app", "outlay_extract", "outlay_dagster")


class UnsupportedServer(Exception):
    """The PostgreSQL server is too old for Outlay."""


async def bootstrap(settings: Settings) -> None:
    """Create or bring up to date roles, passwords and databases; safe to repeat and to race."""
    url = settings.admin_url()
    database = url.database or "outlay"
    passwords = {role: settings.role_url(role).password for role in _LOGIN_ROLES}  # type: ignore[arg-type]  # literals above
    connection = await connect(url.set(database="postgres"))
    try:
        major = connection.get_server_version().major
        if major < MINIMUM_SERVER_VERSION:
            raise UnsupportedServer(
                f"PostgreSQL {major} at {url.host}:{url.port} is too old: "
                f"Outlay needs {MINIMUM_SERVER_VERSION} or later (it uses uuidv7())."
            )
        # One bootstrap at a time: CREATE ROLE and CREATE DATABASE have no IF NOT EXISTS.
        await connection.execute("SELECT pg_advisory_lock(hashtext('outlay bootstrap'))")
        await _roles(connection, passwords)
        await _database(connection, database, owner="outlay_owner")
        await _database(connection, "outlay_dagster", owner="outlay_dagster")
    finally:
        await connection.close()
    connection = await connect(url)
    try:
        await connection.execute(_PRIVILEGES)
    finally:
        await connection.close()


async def connect(url: URL, *, timeout_seconds: float = 5) -> asyncpg.Connection:
    """A bare asyncpg connection to `url`, whatever driver it names."""
    return await asyncpg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
        timeout=timeout_seconds,
    )


async def _roles(connection: asyncpg.Connection, passwords: dict[str, str | None]) -> None:
    existing = {r["rolname"] for r in await connection.fetch("SELECT rolname FROM pg_roles")}
    for role, password in passwords.items():
        verb = "ALTER" if role in existing else "CREATE"
        await connection.execute(
            await connection.fetchval(
                "SELECT format('%s ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD %L', "
                "$1::text, $2::text, $3::text)",
                verb,
                role,
                password,
            )
        )
    if "outlay_identity" not in existing:
        await connection.execute("CREATE ROLE outlay_identity NOLOGIN NOBYPASSRLS")
    # The owner hands the SECURITY DEFINER functions over to it; it never acts as it.
    await connection.execute("GRANT outlay_identity TO outlay_owner WITH INHERIT FALSE, SET TRUE")
    await connection.execute("GRANT outlay_owner, outlay_dagster TO CURRENT_USER")


async def _database(connection: asyncpg.Connection, name: str, *, owner: str) -> None:
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        await connection.execute(
            await connection.fetchval(
                "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $2::text)", name, owner
            )
        )


_PRIVILEGES = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO outlay_owner;
GRANT USAGE ON SCHEMA public TO outlay_app, outlay_extract;
-- CREATE is what ALTER FUNCTION … OWNER TO asks of the new owner; the role cannot log in.
GRANT USAGE, CREATE ON SCHEMA public TO outlay_identity;
"""
