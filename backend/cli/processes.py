"""The processes of one instance: started in order, restarted when they fall, stopped always."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_RESTARTS_IN_A_MINUTE = 3
_LOG_BYTES = 10 * 2**20  # a longer log is put aside at the next start


class ProcessFailed(Exception):
    """A process of the instance does not stay up."""


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    command: Sequence[str]


class Supervisor:
    """Owns the child processes.

    Each child has a session of its own, so that a Ctrl-C reaches only the supervisor, which stops
    them. Their pids are written to `record`; what a killed supervisor left behind is ended
    at the next start.
    """

    def __init__(self, record: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self._record = record
        self._logs = logs
        self._environment = dict(environment)
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._restarts: dict[str, list[float]] = {}

    def update_environment(self, values: Mapping[str, str]) -> None:
        """Add to what programs started from now on are given."""
        self._environment.update(values)

    def end_leftovers(self) -> int:
        """Kill what an earlier supervisor left; answers how many processes that were."""
        if not self._record.exists():
            return 0
        ended = 0
        for pid, created in json.loads(self._record.read_text()):
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                # A pid is recycled; the time of its start tells whether it is still ours.
                if abs(process.create_time() - created) < 1:
                    ended += _end([process], grace_seconds=3)
        self._record.unlink()
        return ended

    def start(self, program: Program) -> None:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file = self._logs / f"{program.name}.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.replace(log_file.with_suffix(".log.1"))
        with log_file.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # the commands are our own
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._running.append((program, process))
        self._write_record()

    def watch(self) -> None:
        """Start anew what has fallen; raises `ProcessFailed` when one keeps falling."""
        for program, process in list(self._running):
            if process.poll() is None:
                continue
            self._running.remove((program, process))
            now = time.monotonic()
            recent = [t for t in self._restarts.get(program.name, []) if now - t < 60]  # noqa: PLR2004  # a minute
            if len(recent) >= _RESTARTS_IN_A_MINUTE:
                raise ProcessFailed(
                    f"{program.name} keeps stopping (exit code {process.returncode}). "
                    f"Its last words are in {self._logs / program.name}.log:\n"
                    f"{self.log_tail(program.name)}"
                )
            self._restarts[program.name] = [*recent, now]
            self.start(program)

    def wait_until(self, ready: Callable[[], bool], what: str, *, timeout_seconds: float) -> None:
        """Poll `ready` while watching the children; raises `ProcessFailed` after the time-out."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            self.watch()
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"{what} did not answer within {timeout_seconds:.0f} s; see {self._logs}."
                )
            time.sleep(0.2)

    def log_tail(self, name: str, lines: int = 15) -> str:
        log = self._logs / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Stop every child, with everything that it started itself."""
        processes = []
        for _, child in self._running:
            with suppress(psutil.Error):
                processes.append(psutil.Process(child.pid))
        _end(processes, grace_seconds=8)
        for _, child in self._running:
            child.wait()
        self._running.clear()
        self._record.unlink(missing_ok=True)

    def _write_record(self) -> None:
        alive = []
        for _, process in self._running:
            with suppress(psutil.Error):
                alive.append((process.pid, psutil.Process(process.pid).create_time()))
        self._record.write_text(json.dumps(alive))


def _end(processes: list[psutil.Process], *, grace_seconds: float) -> int:
    """Terminate the processes and all that they started; kill what has not gone after the grace."""
    family = list(processes)
    for process in processes:
        with suppress(psutil.Error):
            family += process.children(recursive=True)
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(processes, timeout=grace_seconds)
    # Dagster's code servers outlive their parent's SIGTERM, so the whole family is ended.
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(family, timeout=grace_seconds)
    return len(family)
