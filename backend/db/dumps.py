"""A whole database as one file, by PostgreSQL's own programs: `pg_dump` and `pg_restore`.

The login must be above row-level security (a superuser, or BYPASSRLS): under FORCE even the owner
of the tables reads nothing, and a dump that silently lacks rows would be worse than none.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL

from backend.db.bootstrap import connect
from backend.db.postgres_binaries import Account, locate, run_as
from backend.db.postgres_cluster import tail

JOBS = 2  # tables and indexes that are restored at once


class DumpFailed(Exception):
    """The database cannot be dumped or restored; the message says why."""


async def require_all_rows(url: URL) -> None:
    connection = await connect(url)
    try:
        sees_all = await connection.fetchval(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    if not sees_all:
        raise DumpFailed(
            f"The login {url.username} of OUTLAY_DATABASE_URL is subject to row-level security, so "
            "it can neither dump nor restore all rows. Give it BYPASSRLS, or back up PostgreSQL by "
            "means of your own (docs/operations.md says what belongs together)."
        )


def dump(url: URL, file: Path) -> None:
    """Everything in the database at `url`, as one snapshot sees it; roles are not part of it."""
    target = f"--file={file.absolute()}"
    _run("pg_dump", url, "--format=custom", "--compress=gzip:1", target, _place(url))


def restore(url: URL, file: Path) -> None:
    """Into the empty database at `url`; the roles that the dump names must be there."""
    options = ("--exit-on-error", "--no-password", f"--jobs={JOBS}")
    _run("pg_restore", url, *options, f"--dbname={_place(url)}", str(file.absolute()))


def _run(program: str, url: URL, *arguments: str) -> None:
    done = run_as(
        Account(),
        [locate().program(program), *arguments],
        variables={"PGPASSWORD": str(url.password or "")},  # seen by this user alone
    )
    if done.returncode:
        raise DumpFailed(f"{program} failed:\n{tail(done.stdout)}")


def _place(url: URL) -> str:
    """As libpq takes it; never with the password, since everybody may list processes."""
    place = URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=url.query,
    )
    return place.render_as_string()
