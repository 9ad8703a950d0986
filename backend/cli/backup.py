"""`outlay backup`: PostgreSQL, the generations and the receipts in one file, also while all runs.

What is read last is the newest: every row that a generation was made of is in the dump, and every
receipt that the dump names is in the archive.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg
from fsspec.implementations.local import LocalFileSystem

from backend.cli.archive import Manifest, new_archive
from backend.cli.database import running_database
from backend.cli.home import held_alone, staging_folder
from backend.cli.progress import errors, step
from backend.db.bootstrap import connect
from backend.db.dumps import dump, require_all_rows
from backend.instance_secrets import Secrets
from backend.ledger.receipt_files import open_receipt_files
from backend.settings import Settings
from backend.warehouse.generation import FILES, published

DUMP, RECEIPTS, SECRETS, WAREHOUSE = "postgres.dump", "receipts", "signing_keys.json", "warehouse"


class BackupRefused(Exception):
    """Nothing was written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Database:
    revision: str
    postgres: str


def back_up(settings: Settings, file: Path, *, with_secrets: bool = False) -> Path:
    """Write a new `file`. Raises BackupRefused, DumpFailed."""
    if file.exists():
        raise BackupRefused(f"{file} is there already. Name a new file.")
    if not file.absolute().parent.is_dir():
        raise BackupRefused(f"There is no folder {file.absolute().parent}.")
    try:
        _write(settings, file, with_secrets=with_secrets)
    except (OSError, asyncpg.PostgresError) as error:
        raise BackupRefused(f"The backup could not be made: {error}") from error
    return file


def _write(settings: Settings, file: Path, *, with_secrets: bool) -> None:
    refusal = BackupRefused(f"Another backup of {settings.home} is being written.")
    with (
        held_alone(settings.home / "backup.lock", refusal),
        staging_folder(settings.home, "backup-") as staging,
        running_database(settings),
        new_archive(file) as tar,
    ):
        database = asyncio.run(_describe(settings))
        with step("Generations", errors) as note:
            generations = hold_generations(settings.warehouse_dir, staging / WAREHOUSE)
            note(str(len(generations)))
        receipts = receipts_folder(settings)
        hold_receipts(receipts, staging / RECEIPTS)
        with step("PostgreSQL", errors):
            dump(settings.admin_url(), staging / DUMP)
        with step("Receipts", errors) as note:
            hold_receipts(receipts, staging / RECEIPTS)  # those that the dump names by now
            note("not included: they lie elsewhere" if receipts is None else "")
        if with_secrets:
            keys = Secrets.signing_keys(settings.home / "secrets.json")
            (staging / SECRETS).write_text(json.dumps(keys))
        with step("Archive", errors) as note:
            for path in sorted(path for path in staging.rglob("*") if path.is_file()):
                tar.add(path, str(path.relative_to(staging)))
            tar.finish(
                Manifest(
                    app_version=version("outlay"),
                    revision=database.revision,
                    postgres=database.postgres,
                    created_at=datetime.now(UTC),
                    generations=generations,
                    receipts=None if receipts is None else tar.count(RECEIPTS),
                    has_secrets=with_secrets,
                    parts=tar.parts,
                )
            )
            note(f"{sum(part.bytes for part in tar.parts.values()) / 2**20:.1f} MiB")


def hold_generations(warehouse: Path, held: Path) -> list[str]:
    """Link every published generation into `held`; one that is pruned meanwhile is left out.

    Answers their ids, the oldest first: the last one is current.
    """
    ids = []
    for generation in published(warehouse):
        folder = held / generation.id
        try:
            for name in FILES:
                _hold(warehouse / generation.id / name, folder / name)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            ids.append(generation.id)
    return ids


def hold_receipts(receipts: Path | None, held: Path) -> None:
    """Link what is there and not held yet; their content never changes."""
    if receipts is None:
        return
    for path in receipts.glob("*/*"):
        target = held / path.relative_to(receipts)
        if not target.exists():
            with suppress(FileNotFoundError):  # removed meanwhile, and its row before it
                _hold(path, target)


def receipts_folder(settings: Settings) -> Path | None:
    """None when receipts lie in a bucket, which has backups of its own."""
    files = open_receipt_files(settings)
    return Path(files.root) if isinstance(files.filesystem, LocalFileSystem) else None


def _hold(path: Path, target: Path) -> None:
    """What is unlinked elsewhere stays; across file systems it has to be copied."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, target)


async def _describe(settings: Settings) -> _Database:
    url = settings.admin_url()
    await require_all_rows(url)
    connection = await connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('public.alembic_version') IS NULL"):
            raise BackupRefused(f"There is no Outlay in the database {url.database} yet.")
        return _Database(
            revision=await connection.fetchval("SELECT version_num FROM alembic_version"),
            postgres=await connection.fetchval("SHOW server_version"),
        )
    finally:
        await connection.close()
