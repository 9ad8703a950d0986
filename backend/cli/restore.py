"""`outlay restore`: a home becomes what a backup holds; only a whole one touches anything.

PostgreSQL is restored beside what is there, and takes its place in one transaction. The marts go on
from nothing that they were built from: the next refresh is a full one, since the tables are stored
anew, mostly on a new server.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL

from backend.cli.archive import Manifest, unpack
from backend.cli.backup import DUMP, RECEIPTS, SECRETS, WAREHOUSE, receipts_folder
from backend.cli.database import prepare_roles, running_database
from backend.cli.home import make_private_folders, only_instance, staging_folder
from backend.cli.progress import errors, step
from backend.db.bootstrap import bootstrap, connect
from backend.db.dumps import require_all_rows, restore
from backend.db.migrate import known_revisions, upgrade
from backend.instance_secrets import Secrets
from backend.settings import Settings
from backend.warehouse.build import sole_builder
from backend.warehouse.generation import CURRENT

_FORCE = "With --force it is replaced, and what is there now is lost."


class RestoreRefused(Exception):
    """Nothing was changed; the message says what to do."""


def restore_backup(settings: Settings, file: Path, *, force: bool = False) -> None:
    """Raises RestoreRefused, AlreadyRunning, BuildInProgress, BackupDamaged, DumpFailed,
    DatabaseUnusable.
    """
    if not file.is_file():
        raise RestoreRefused(f"There is no file {file}.")
    with only_instance(settings.home), staging_folder(settings.home, "restore-") as staging:
        if not force:
            _require_empty(settings)
        with step("Backup", errors) as note:
            manifest = _unpack(file, staging)
            _require_known(manifest)
            note(f"of {manifest.created_at:%Y-%m-%d %H:%M} UTC, by {manifest.app_version}")
        with running_database(settings), sole_builder(settings.warehouse_dir):
            prepare_roles(settings)
            database = _Replacement(settings)
            asyncio.run(database.require_free(force=force))
            with step("PostgreSQL", errors):
                database.restore(staging / DUMP)
            asyncio.run(database.swap())
            with step("Generations and receipts", errors) as note:
                _put_files(settings, staging, manifest)
                note(f"{len(manifest.generations)} generations, {manifest.receipts or 0} receipts")
            asyncio.run(database.drop_replaced())
        if manifest.has_secrets:
            keys = json.loads((staging / SECRETS).read_text())
            Secrets.put_signing_keys(settings.home / "secrets.json", keys)
    errors.print("Restored. The next refresh is a full one; `outlay up` starts it by itself.")


class _Replacement:
    """A database that is made beside the one of `settings`, to take its place."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin = settings.admin_url()
        self._name = self._admin.database or "outlay"
        self._new, self._old = f"{self._name}_restoring", f"{self._name}_replaced"

    async def require_free(self, *, force: bool) -> None:
        await require_all_rows(self._admin)
        connection = await connect(self._admin)
        try:
            filled = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')"
            )
            others = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                self._name,
            )
        finally:
            await connection.close()
        if filled and not force:
            raise RestoreRefused(f"The database {self._name} is not empty. {_FORCE}")
        if others:
            raise RestoreRefused(
                f"{others} connections to the database {self._name} are open. Stop what runs on it."
            )

    def restore(self, file: Path) -> None:
        """The dump, brought up to the newest schema."""
        asyncio.run(self._create())
        restore(self._admin.set(database=self._new), file)
        upgrade(self._settings.role_url("outlay_owner", driver="asyncpg", database=self._new))
        asyncio.run(_execute(self._admin.set(database=self._new), "ANALYZE"))

    async def swap(self) -> None:
        try:
            await self._maintain(
                f'BEGIN; ALTER DATABASE "{self._name}" RENAME TO "{self._old}"; '
                f'ALTER DATABASE "{self._new}" RENAME TO "{self._name}"; COMMIT'
            )
        except asyncpg.ObjectInUseError as error:
            raise RestoreRefused(f"{error}. Stop what runs on it.") from None
        await bootstrap(self._settings)  # privileges of the schema

    async def drop_replaced(self) -> None:
        await self._maintain(f'DROP DATABASE "{self._old}"')

    async def _create(self) -> None:
        for left in (self._new, self._old):  # by a restore that was killed
            await self._maintain(f'DROP DATABASE IF EXISTS "{left}"')
        await self._maintain(f'CREATE DATABASE "{self._new}" OWNER outlay_owner')

    async def _maintain(self, statement: str) -> None:
        await _execute(self._admin.set(database="postgres"), statement)


async def _execute(url: URL, statement: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _require_empty(settings: Settings) -> None:
    receipts = receipts_folder(settings)
    for what, place in (
        ("a database", settings.postgres_dir / "data"),
        ("generations", settings.warehouse_dir / CURRENT),
        ("receipts", receipts),
    ):
        if place is not None and place.exists() and (place.is_file() or any(place.iterdir())):
            raise RestoreRefused(f"{settings.home} has {what} already. {_FORCE}")


def _unpack(file: Path, staging: Path) -> Manifest:
    try:
        return unpack(file, staging)
    except OSError as error:
        raise RestoreRefused(f"{file} cannot be unpacked in {staging.parent}: {error}") from error


def _require_known(manifest: Manifest) -> None:
    if manifest.revision not in known_revisions():
        raise RestoreRefused(
            f"The backup was made by Outlay {manifest.app_version}, whose schema "
            f"({manifest.revision}) is newer than this one's. Update Outlay, then restore."
        )


def _put_files(settings: Settings, staging: Path, manifest: Manifest) -> None:
    """Each folder whole, in place of what was there."""
    new = staging / WAREHOUSE
    new.mkdir(exist_ok=True)
    if manifest.generations:
        (new / CURRENT).write_text(f"{manifest.generations[-1]}\n")
    _replace(settings.warehouse_dir, new, staging)
    receipts = receipts_folder(settings)
    if manifest.receipts is not None and receipts is not None:
        (staging / RECEIPTS).mkdir(mode=0o700, exist_ok=True)
        _replace(receipts, staging / RECEIPTS, staging)
    make_private_folders(settings)


def _replace(place: Path, new: Path, staging: Path) -> None:
    if place.exists():
        shutil.move(place, staging / f"replaced-{new.name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(new, place)
