"""The processes of one PostgreSQL data directory, told apart from everybody else's.

A process belongs to a data directory when it is a postgres that works in it: the postmaster and all
its children change into it. A pid alone says nothing, since the number may have been given away.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PID_FILE = "postmaster.pid"
IMMEDIATE_SHUTDOWN = 5.0  # seconds until it is given up
LEAVING = 2.0  # seconds that processes without a postmaster get to leave by themselves


@dataclass(frozen=True)
class Postmaster:
    """A live postmaster, as its `postmaster.pid` describes it."""

    process: psutil.Process
    port: int
    ready: bool


def find_postmaster(data: Path) -> Postmaster | None:
    """The live postmaster of `data` (a resolved path); a stale pid file counts as none."""
    try:
        lines = (data / PID_FILE).read_text().splitlines()
    except FileNotFoundError:
        return None
    # pid, data directory, start time, port, socket directory, address, memory key, status;
    # written in steps, so any tail of it may still be missing.
    fields = [line.strip() for line in lines] + [""] * 8
    try:
        process = psutil.Process(int(fields[0]))
    except (ValueError, psutil.NoSuchProcess):
        return None
    if not _works_in(process, data):
        return None
    return Postmaster(process, int(fields[3] or 0), ready=fields[7] in {"ready", "standby"})


def end_postmaster(postmaster: Postmaster, timeout: float) -> None:
    """Fast shutdown; after `timeout` seconds an immediate one. The caller kills what remains."""
    for request, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, IMMEDIATE_SHUTDOWN)):
        _signal([postmaster.process], request)
        if wait_until(lambda: not _alive(postmaster.process), patience):
            return


def end_leftovers(data: Path) -> None:
    """Wait for the processes that still use `data`, and kill those that stay.

    Children of a killed postmaster leave by themselves, but not in the middle of a statement, and
    while they hold its shared memory no new postmaster can start.
    """
    if not wait_until(lambda: not _processes(data), LEAVING):
        _signal(_processes(data), signal.SIGKILL)
        wait_until(lambda: not _processes(data), LEAVING)


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _processes(data: Path) -> list[psutil.Process]:
    """Those that may be killed. Never root's, whatever else matches: no server runs as root."""
    owner = data.stat().st_uid if data.exists() else 0
    return [
        process
        for process in psutil.process_iter(["uids"])
        if owner != 0
        and (uids := process.info["uids"]) is not None
        and uids.real == owner
        and _works_in(process, data)
    ]


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return (
            process.name().startswith("postgres")
            and process.status() != psutil.STATUS_ZOMBIE
            and _working_folder(process).samefile(data)
        )
    # Gone, or another user's; but PostgreSQL only runs as the owner of its data.
    except (psutil.Error, OSError):
        return False


def _working_folder(process: psutil.Process) -> Path:
    """On Linux the folder itself, since its name may mean another one in a container."""
    return Path(f"/proc/{process.pid}/cwd") if psutil.LINUX else Path(process.cwd())


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(processes: Sequence[psutil.Process], request: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(request)
        except psutil.NoSuchProcess:
            continue
