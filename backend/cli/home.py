"""The home of an instance: whose it is, and the folders that hold people's data."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.settings import Settings


def make_private_folders(settings: Settings) -> None:
    """Marts and logs are for this user only: no policy of PostgreSQL guards them.

    The home itself stays passable, since root's PostgreSQL runs as somebody else within it.
    """
    for folder in (settings.warehouse_dir, settings.dagster_home, settings.home / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)


class AlreadyRunning(Exception):
    """Another `outlay up` uses the same home."""


@contextmanager
def only_instance(home: Path) -> Iterator[None]:
    """Two supervisors in one home would fight over its processes."""
    refusal = AlreadyRunning(
        f"Outlay runs already in {home}. Stop it with Ctrl-C where it was started, or give "
        "this one its own OUTLAY_HOME, OUTLAY_API_PORT and OUTLAY_DAGSTER_PORT."
    )
    with held_alone(home / "up.lock", refusal):
        yield


@contextmanager
def held_alone(lock: Path, refusal: Exception) -> Iterator[None]:
    """`refusal` is raised when another process holds `lock`; a process that dies lets it go."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield


@contextmanager
def staging_folder(home: Path, prefix: str) -> Iterator[Path]:
    """For what is under way; the caller is the only one, and what a killed one left is removed."""
    for left in home.glob(f"{prefix}*/"):
        shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    try:
        yield staging
    finally:
        shutil.rmtree(staging)
