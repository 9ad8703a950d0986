"""Where queries that outgrow their memory write to disk: a folder for each open file.

DuckDB's names for what it spills are not unique, so two open files must not share a folder. It
empties its folder itself, unless the process is killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

import psutil

from backend.settings import Settings


def _parent(settings: Settings) -> Path:
    return settings.home / "tmp" / "queries"


def new_spill_folder(settings: Settings) -> Path:
    """A name that is taken by nobody; DuckDB makes the folder when it first needs it."""
    parent = _parent(settings)
    parent.mkdir(parents=True, exist_ok=True)
    parent.chmod(0o700)  # DuckDB makes what is in it readable by everybody
    return parent / f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


def sweep_spill_folders(settings: Settings) -> None:
    """Delete what killed processes of this machine left; before this one opens anything."""
    for folder in _parent(settings).glob(f"{socket.gethostname()}.*.*"):
        pid = int(folder.name.split(".")[-2])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(folder, ignore_errors=True)
