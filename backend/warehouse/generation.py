"""Immutable generations on disk: publish one, find the current one, list the published ones.

A folder becomes visible to readers only through ``CURRENT``, which is replaced in one step after
all that it names is safely on disk. So a reader finds a whole generation or the one before.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.warehouse.contents import Contents, Generation
from backend.warehouse.crash_points import CrashPoint, crash_point

__all__ = ["Generation", "publish", "published", "read", "resolve", "sweep", "verify"]

CURRENT = "CURRENT"
CURRENT_TEMPORARY = "CURRENT.tmp"
DATABASE = "outlay.duckdb"
MANIFEST = "manifest.json"
DESCRIPTION = "generation.json"
TRASH = "trash-"  # prefix of a folder that is being deleted
FILES = (DATABASE, MANIFEST, DESCRIPTION)
GENERATION_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


def publish(
    build: Path, contents: Contents, *, now: datetime, crash_at: CrashPoint | None = None
) -> Generation:
    """Turn the audited `build` into the current generation; the caller is the sole builder.

    `build` holds `outlay.duckdb` and `manifest.json`; what else lies there is removed.
    """
    warehouse = build.parent
    sweep(warehouse)
    for file in (DATABASE, MANIFEST):
        if not (build / file).is_file():
            raise FileNotFoundError(f"{build} has no {file}: there is nothing to publish.")
    created_at = _after_the_last(warehouse, now.astimezone(UTC))
    generation = Generation(
        **contents.model_dump(),
        id=f"{created_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        created_at=created_at,
        sha256=_sha256(build / DATABASE),
    )
    (build / DESCRIPTION).write_text(generation.model_dump_json(indent=2))
    _remove_all_but(build, FILES)

    crash_point(CrashPoint.BEFORE_FSYNC, crash_at)
    for file in FILES:
        fsync(build / file)
    fsync(build)
    crash_point(CrashPoint.AFTER_FSYNC, crash_at)

    build.rename(warehouse / generation.id)
    fsync(warehouse)
    crash_point(CrashPoint.BEFORE_FLIP, crash_at)
    _flip(warehouse, generation.id)
    crash_point(CrashPoint.AFTER_FLIP, crash_at)
    return generation


def resolve(warehouse: Path) -> Path | None:
    """The folder of the current generation; None before the first one."""
    identity = named_current(warehouse)
    if identity is None:
        return None
    folder = warehouse / identity
    return folder if GENERATION_ID.fullmatch(identity) and _is_whole(folder) else None


def named_current(warehouse: Path) -> str | None:
    """What ``CURRENT`` says, whether that is there or not; None without it."""
    try:
        return (warehouse / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None


def read(folder: Path) -> Generation:
    return Generation.model_validate_json((folder / DESCRIPTION).read_text())


def published(warehouse: Path) -> list[Generation]:
    """The retained generations, oldest first; the last one is current."""
    current = resolve(warehouse)
    if current is None:
        return []
    generations = []
    for folder in _generation_folders(warehouse):
        if _was_published(folder, current):
            with suppress(FileNotFoundError):  # pruned meanwhile
                generations.append(read(folder))
    return generations


def sweep(warehouse: Path) -> None:
    """Delete what refreshes that died left behind; the caller is the sole builder."""
    current = resolve(warehouse)
    if current is None and (warehouse / CURRENT).exists():
        return  # damaged from outside: nothing here tells what is worth keeping
    for folder in _generation_folders(warehouse):
        if current is None or not _was_published(folder, current):
            discard(folder)
    for trash in warehouse.glob(f"{TRASH}*"):
        shutil.rmtree(trash)
    (warehouse / CURRENT_TEMPORARY).unlink(missing_ok=True)


def discard(folder: Path) -> Path:
    """Take a generation's name away, so that no half of it is ever found under it."""
    trash = folder.rename(folder.with_name(f"{TRASH}{folder.name}"))
    fsync(trash.parent)
    return trash


def _generation_folders(warehouse: Path) -> list[Path]:
    return sorted(p for p in warehouse.glob("*") if GENERATION_ID.fullmatch(p.name))


def _was_published(folder: Path, current: Path) -> bool:
    """A newer one than the current was abandoned before readers were pointed to it."""
    return folder.name <= current.name and _is_whole(folder)


def verify(folder: Path) -> bool:
    """Whether the database is, byte for byte, the one that was published."""
    return _sha256(folder / DATABASE) == read(folder).sha256


def fsync(path: Path) -> None:
    """Have a file's content, or a folder's entries, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flip(warehouse: Path, identity: str) -> None:
    temporary = warehouse / CURRENT_TEMPORARY
    temporary.write_text(f"{identity}\n")
    fsync(temporary)
    temporary.replace(warehouse / CURRENT)
    fsync(warehouse)


def _after_the_last(warehouse: Path, now: datetime) -> datetime:
    """`now`, but at least a second after the current generation, so that ids sort by publication.

    A clock may be set back, and ids carry whole seconds.
    """
    current = resolve(warehouse)
    if current is None:
        return now
    last = datetime.strptime(current.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return max(now, last + timedelta(seconds=1))


def _is_whole(folder: Path) -> bool:
    return all((folder / file).is_file() for file in FILES)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_all_but(folder: Path, kept: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
