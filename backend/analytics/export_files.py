"""The files of exports: one folder an organization, each file called after its export.

A file gets its name when all of it is on disk. What a killed process leaves behind is a file whose
name ends in `.part`, or one that no record knows: `sweep` takes both away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from backend.warehouse.generation import fsync

SWEPT_AFTER = timedelta(hours=1)  # its record may be about to be committed

_PART = ".part"


def file_of(root: Path, organization_id: UUID, export_id: UUID) -> Path:
    return root / str(organization_id) / str(export_id)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` whole when the block ends, and not at all when it raises."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        fsync(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove(root: Path, organization_id: UUID, export_id: UUID) -> None:
    """Its file and whatever part of one there is."""
    path = file_of(root, organization_id, export_id)
    for left in (path, *path.parent.glob(f"{path.name}.*{_PART}")):
        left.unlink(missing_ok=True)


def organizations(root: Path) -> list[UUID]:
    """Those that have a folder, whether or not they still exist."""
    return [UUID(folder.name) for folder in root.glob("*") if _is_id(folder.name)]


def sweep(root: Path, organization_id: UUID, known: frozenset[UUID], now: datetime) -> int:
    """Remove old files of exports that are not `known`, and answer how many."""
    folder = root / str(organization_id)
    removed = 0
    for path in list(folder.iterdir()):
        name = path.name.partition(".")[0]
        if _is_id(name) and UUID(name) not in known and _is_old(path, now):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _is_old(path: Path, now: datetime) -> bool:
    try:
        return path.stat().st_mtime < (now - SWEPT_AFTER).timestamp()
    except FileNotFoundError:
        return False


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
