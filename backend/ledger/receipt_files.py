"""Where the content of receipts lies: a folder by default, or whatever fsspec reaches.

A file is called after its organization and a random id, never as its owner called it. It is
written before the row that names it and removed after it: what a crash leaves behind is a file
without a row, and `sweep` takes it away.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fsspec
import structlog
from anyio import to_thread
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import NotFound, Unavailable
from backend.settings import Settings

# A file may be this much older than its row: uploads under way are not swept.
SWEPT_AFTER = timedelta(days=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceiptFiles:
    """A file system of fsspec, and the folder in it."""

    filesystem: Any
    root: str

    def path(self, key: str) -> str:
        return f"{self.root}/{key}"


def open_receipt_files(settings: Settings) -> ReceiptFiles:
    """Fails when the protocol of `receipts_url` needs a package that is not installed."""
    filesystem, root = fsspec.core.url_to_fs(settings.receipts_location)
    return ReceiptFiles(filesystem, root.rstrip("/"))


def new_key(organization_id: UUID) -> str:
    return f"{organization_id}/{uuid4().hex}"


async def write(files: ReceiptFiles, key: str, content: bytes) -> None:
    """`Unavailable` when it cannot be stored now."""
    try:
        await to_thread.run_sync(_write, files, key, content)
    except OSError as error:
        _log.exception("receipt_not_written")
        raise Unavailable("Receipts cannot be stored at present.") from error


async def read(files: ReceiptFiles, key: str) -> bytes:
    try:
        return bytes(await to_thread.run_sync(files.filesystem.cat_file, files.path(key)))
    except FileNotFoundError:
        _log.error("receipt_lost", key=key)  # the trace tells nothing more
        raise NotFound("The file of this receipt is lost.") from None
    except OSError as error:
        _log.exception("receipt_not_read")
        raise Unavailable("Receipts cannot be read at present.") from error


def remove_on_rollback(session: AsyncSession, files: ReceiptFiles, key: str) -> None:
    _when(session, "after_rollback", files, key)


def remove_after_commit(session: AsyncSession, files: ReceiptFiles, key: str) -> None:
    _when(session, "after_commit", files, key)


async def sweep(
    files: ReceiptFiles, known: Callable[[UUID], Awaitable[Iterable[str]]], now: datetime
) -> int:
    """Remove old files that no row names, and answer how many; `known` are an organization's."""
    removed = 0
    for organization_id in await to_thread.run_sync(_organizations, files):
        found = await to_thread.run_sync(_old_keys, files, organization_id, now - SWEPT_AFTER)
        # Asked after the files were listed: a row that is there by now has its file in the list.
        for key in found.difference(await known(organization_id)):
            await to_thread.run_sync(_remove, files, key)
            removed += 1
    return removed


def _write(files: ReceiptFiles, key: str, content: bytes) -> None:
    path = files.path(key)
    if isinstance(files.filesystem, LocalFileSystem):
        Path(files.root).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(path).parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    else:
        files.filesystem.pipe_file(path, content)


def _when(session: AsyncSession, moment: str, files: ReceiptFiles, key: str) -> None:
    loop = asyncio.get_running_loop()

    def remove(_: object) -> None:  # never in the event loop: the file may lie far away
        loop.run_in_executor(None, _remove, files, key)

    event.listen(session.sync_session, moment, remove, once=True)


def _remove(files: ReceiptFiles, key: str) -> None:
    """As well as may be; what is left is swept."""
    try:
        files.filesystem.rm_file(files.path(key))
    except FileNotFoundError:
        pass
    except OSError:
        _log.exception("receipt_not_removed")


def _organizations(files: ReceiptFiles) -> list[UUID]:
    if not files.filesystem.exists(files.root):
        return []
    names = (path.rsplit("/", 1)[-1] for path in files.filesystem.ls(files.root, detail=False))
    return [UUID(name) for name in names if _is_id(name)]


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _old_keys(files: ReceiptFiles, organization_id: UUID, before: datetime) -> set[str]:
    found = files.filesystem.ls(files.path(str(organization_id)), detail=False)
    return {
        f"{organization_id}/{path.rsplit('/', 1)[-1]}"
        for path in found
        if files.filesystem.modified(path) < before
    }
