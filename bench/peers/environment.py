"""Peers from the package index, each in an environment of its own, kept for the next run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.queries.world import CACHE

_INSTALL_SECONDS = 600


class PeerUnavailable(Exception):
    """It cannot be installed or started here; the message says why."""


def programs(name: str, version: str) -> Path:
    """The folder of the peer's programs."""
    environment = CACHE / "peers" / f"{name}-{version}"
    installed = environment / "bin" / name
    if not installed.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
        pip = str(environment / "bin" / "pip")
        _run([pip, "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"])
    if not installed.exists():
        raise PeerUnavailable(f"{name} {version} has no program of its name.")
    return installed.parent


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise PeerUnavailable((error.stderr or str(error)).strip().splitlines()[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(str(error)) from error
