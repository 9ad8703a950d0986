"""The file of a backup: a tar of parts, and last of all a manifest with their sums.

Whatever is cut off or damaged lacks its manifest or does not agree with it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ValidationError

from backend.warehouse.generation import fsync

MANIFEST = "manifest.json"
FORMAT = 1

_CHUNK = 2**20  # bytes
# What reading one may raise, a name that comes twice or is both file and folder included.
_DAMAGE = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
)


class BackupDamaged(Exception):
    """The file is not a backup, or not a whole one."""


class Part(BaseModel):
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """`revision` is that of the database's schema. `parts` are keyed by their names in the tar."""

    format: int = FORMAT
    app_version: str
    revision: str
    postgres: str
    created_at: datetime
    generations: list[str]  # oldest first; the last one is current
    receipts: int | None  # None: they lie elsewhere, and are not in here
    has_secrets: bool
    parts: dict[str, Part]


class _Summed(io.RawIOBase):
    """What is read from `source`, summed up on the way."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self.digest.update(content)
        return content


class ArchiveWriter:
    """Belongs to `new_archive`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.parts: dict[str, Part] = {}

    def add(self, path: Path, name: str) -> None:
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            summed = _Summed(source)
            self._tar.addfile(_info(name, size), summed)
            self.parts[name] = Part(bytes=size, sha256=summed.digest.hexdigest())

    def count(self, folder: str) -> int:
        return sum(name.startswith(f"{folder}/") for name in self.parts)

    def finish(self, manifest: Manifest) -> None:
        content = manifest.model_dump_json(indent=2).encode()
        self._tar.addfile(_info(MANIFEST, len(content)), io.BytesIO(content))


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


@contextmanager
def new_archive(file: Path) -> Iterator[ArchiveWriter]:
    """`file` appears, mode 0600, when the block has ended well; never half of it.

    It is compressed when its name ends in `.gz` or `.tgz`.
    """
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with tarfile.open(
                fileobj=raw, mode="w:gz" if file.suffix in {".gz", ".tgz"} else "w"
            ) as tar:
                yield ArchiveWriter(tar)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(file)
        fsync(file.absolute().parent)
    finally:
        partial.unlink(missing_ok=True)


def unpack(file: Path, folder: Path) -> Manifest:
    """All parts into the empty `folder`, each compared with its sum. Raises BackupDamaged."""
    try:
        with tarfile.open(file, "r:*") as tar:
            found = {member.name: _unpack(tar, member, folder) for member in tar}
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (*_DAMAGE, ValidationError) as error:
        raise BackupDamaged(f"{file} is not a whole backup of Outlay: {error}") from error
    if manifest.format > FORMAT:
        raise BackupDamaged(f"{file} was made by a newer version of Outlay. Update, then restore.")
    del found[MANIFEST]
    wrong = sorted(
        name
        for name in found.keys() | manifest.parts.keys()
        if found.get(name) != manifest.parts.get(name)
    )
    if wrong:
        raise BackupDamaged(f"{file} is damaged: {', '.join(wrong[:5])} differ from its manifest.")
    return manifest


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> Part:
    name = PurePosixPath(member.name)
    source = tar.extractfile(member) if member.isreg() else None
    if source is None or name.is_absolute() or ".." in name.parts:
        raise tarfile.TarError(f"{member.name!r} does not belong in a backup")
    target = folder / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        while content := source.read(_CHUNK):
            digest.update(content)
            output.write(content)
    return Part(bytes=member.size, sha256=digest.hexdigest())
