"""The data directory of the embedded PostgreSQL: where it lies and how it comes to be."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from backend.db.postgres_binaries import (
    Account,
    Binaries,
    EmbeddedPostgresError,
    account_for,
    can_enter,
    major_version,
    run_as,
)
from backend.db.postgres_processes import wait_until

SHELTER = Path("/var/lib/outlay")  # for root's data whose home is closed to the server's user
TAIL = 20  # lines of output quoted in an error


@dataclass(frozen=True)
class Cluster:
    """A data directory (a resolved path, not there before `create`) and who runs its server."""

    data: Path
    account: Account

    def exists(self) -> bool:
        return (self.data / "PG_VERSION").exists()


def place(home: Path) -> Cluster:
    """The cluster of `home`."""
    link = home / "data"
    data = link.resolve()
    if link.is_symlink() and not data.parent.is_dir():
        raise EmbeddedPostgresError(
            f"{link} points to {data}, which is gone. Restore it from a backup, or remove the link "
            "to begin with an empty database."
        )
    account = account_for(data)
    if can_enter(account, data.parent):
        return Cluster(data, account)
    if data.exists():
        raise EmbeddedPostgresError(
            f"The user that runs PostgreSQL (uid {account.uid}) may not enter {data.parent}. Allow "
            f"it (chmod o+x on the folder that is closed), or move {data} to a place that is open "
            f"and link it from {link}."
        )
    return Cluster(_shelter(home, link), account)


def _shelter(home: Path, link: Path) -> Path:
    """Link to a new place that is open.

    Never to the place of an earlier home at the same path: that data has another password. The link
    comes before the data, so that a crash between the two finds its way back.
    """
    if not SHELTER.exists():
        SHELTER.mkdir(parents=True)
        SHELTER.chmod(0o755)
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:8]
    folder = Path(tempfile.mkdtemp(prefix=f"{digest}-", dir=SHELTER))
    folder.chmod(0o755)
    link.symlink_to(folder / "data")
    return link.resolve()


def check_version(cluster: Cluster, binaries: Binaries) -> None:
    """Refuse data of another major version: PostgreSQL cannot read it."""
    data = cluster.data
    found = (data / "PG_VERSION").read_text().strip()
    installed = major_version(binaries)
    if found != installed:
        raise EmbeddedPostgresError(
            f"{data} was written by PostgreSQL {found}; PostgreSQL {installed} is installed and "
            f"cannot read it. Dump it with PostgreSQL {found} (pg_dumpall), move {data} away, "
            "start, and load the dump."
        )


def clear_remnants(data: Path) -> None:
    """Remove what a killed `create` left; its initdb may live on and add to it for a moment."""

    def removed() -> bool:
        remnants = list(data.parent.glob("initdb-*"))
        for remnant in remnants:
            shutil.rmtree(remnant, ignore_errors=True)
        return not remnants

    wait_until(removed, 5)


def create(
    cluster: Cluster, binaries: Binaries, password: str, *, durable: bool, deadline: float
) -> None:
    """Create the data whole or not at all: initdb works beside it, a rename makes it real."""
    data, account = cluster.data, cluster.account
    staging = Path(tempfile.mkdtemp(prefix="initdb-", dir=data.parent))
    try:
        password_file = staging / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if account.uid is not None and account.gid is not None:
            os.chown(password_file, account.uid, account.gid)
            os.chown(staging, account.uid, account.gid)
        command = [
            binaries.program("initdb"),
            f"--pgdata={staging / 'data'}",
            "--username=postgres",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
        ]
        if not durable:
            command.append("--no-sync")
        result = run_as(account, command, timeout=max(1.0, deadline - time.monotonic()))
        if result.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb could not create a cluster in {data}:\n{tail(result.stdout)}"
            )
        (staging / "data").rename(data)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def tail(text: str) -> str:
    return "\n".join(text.splitlines()[-TAIL:])
