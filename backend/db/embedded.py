"""A real PostgreSQL from a wheel, for instances that are not given a server.

Layout of its home: ``data/`` (the cluster), ``address.json`` (while it accepts connections),
``port`` (the last one used), ``postgres.log``, ``lock``. When root's home is closed to the user
that runs the server, ``data`` is a link to a place that is open to it. The server outlives the
process that started it; the next `start` adopts it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import asyncpg

from backend.db.postgres_binaries import (
    Binaries,
    EmbeddedPostgresError,
    locate,
    spawn_as,
    within_reach,
)
from backend.db.postgres_cluster import Cluster, check_version, clear_remnants, create, place, tail
from backend.db.postgres_processes import (
    PID_FILE,
    end_leftovers,
    end_postmaster,
    find_postmaster,
    wait_until,
)

__all__ = ["Address", "EmbeddedPostgres", "EmbeddedPostgresError"]

HOST = "127.0.0.1"
LOG_LIMIT = 10 * 2**20  # bytes; a longer log is put aside at the next start

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    "log_parameter_max_length": "0",  # a slow statement is worth a line, people's data is not
}


@dataclass(frozen=True)
class Address:
    """Where the server listens; `pid` is its postmaster's."""

    host: str
    port: int
    pid: int


class _StillStartingError(EmbeddedPostgresError):
    """The deadline passed while the server was on its way; it goes on."""


class EmbeddedPostgres:
    """One server on one data directory, shared by all processes that name the same `home`.

    `password` is that of the superuser `postgres`; `options` are server settings that win over
    ours. Timeouts are in seconds. Every failure is an `EmbeddedPostgresError`.
    """

    def __init__(
        self, home: Path, password: str, *, options: Mapping[str, str] | None = None
    ) -> None:
        self.home = home.absolute()
        self._password = password
        self._options = dict(options or {})

    def __enter__(self) -> Address:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def running(self) -> Address | None:
        """The server's address if it is up; neither connects nor waits."""
        with self._explained():
            postmaster = find_postmaster(self._data())
        if postmaster is None or not postmaster.ready:
            return None
        return Address(HOST, postmaster.port, postmaster.process.pid)

    def start(self, *, timeout: float = 60) -> Address:
        """Create the cluster if there is none, then start the server or adopt a running one."""
        deadline = time.monotonic() + timeout
        with self._explained():
            self.home.mkdir(parents=True, exist_ok=True)
            with self._locked(deadline):
                address = self._start(deadline)
                self._write("port", str(address.port))
                self._write("address.json", json.dumps(asdict(address)))
                return address

    def stop(self, *, timeout: float = 30) -> None:
        """Shut down; clients are disconnected. After `timeout` it gets less gentle."""
        if not self.home.exists():
            return
        with self._explained(), self._locked(time.monotonic() + timeout):
            self._shut_down(self._data(), timeout)

    def _start(self, deadline: float) -> Address:
        cluster = place(self.home)
        data = cluster.data
        binaries = locate()
        if cluster.exists():
            check_version(cluster, binaries)
        address = self._wait_for_server(data, None, deadline)
        if address is not None:
            return address
        # What remains is the rest of a crash. The pid file must go: PostgreSQL believes any live
        # process that by now has its number.
        end_leftovers(data)
        (data / PID_FILE).unlink(missing_ok=True)
        (self.home / "address.json").unlink(missing_ok=True)
        clear_remnants(data)
        binaries = within_reach(binaries, cluster.account, data.parent)
        if not cluster.exists():
            durable = self._options.get("fsync") != "off"
            create(cluster, binaries, self._password, durable=durable, deadline=deadline)
        return self._launch(cluster, binaries, deadline)

    def _data(self) -> Path:
        return (self.home / "data").resolve()

    def _launch(self, cluster: Cluster, binaries: Binaries, deadline: float) -> Address:
        data = cluster.data
        log = self.home / "postgres.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name("postgres.log.1"))
        port = _free_port(self._last_port())
        for _ in range(3):
            settings = SETTINGS | self._options | {"port": str(port)}
            command = [binaries.program("postgres"), "-D", str(data)]
            command += [
                word for key, value in settings.items() for word in ("-c", f"{key}={value}")
            ]
            log.touch(mode=0o600)
            with log.open("ab") as output:
                begin = output.tell()
                child = spawn_as(cluster.account, command, output)
            # Whoever stops the server, its parent has to collect it or it stays a zombie.
            threading.Thread(target=child.wait, daemon=True).start()
            try:
                address = self._wait_for_server(data, child, deadline)
            except _StillStartingError:
                raise
            except BaseException:
                self._shut_down(data, timeout=5)
                raise
            if address is not None:
                return address
            said = log.read_bytes()[begin:].decode(errors="replace")
            if "could not create any TCP/IP sockets" not in said:
                break
            port = _free_port(None)  # somebody took it between our look and the server's
        raise EmbeddedPostgresError(
            f"PostgreSQL ended while starting (exit code {child.returncode}). The end of {log}:\n"
            f"{tail(said)}"
        )

    def _wait_for_server(
        self, data: Path, child: subprocess.Popen[bytes] | None, deadline: float
    ) -> Address | None:
        """The address once connections are accepted; None if no server runs or will run."""
        while True:
            child_ended = child is None or child.poll() is not None
            postmaster = find_postmaster(data)
            if postmaster is None and child_ended:
                return None
            patience = max(0.5, deadline - time.monotonic())
            if postmaster and postmaster.ready and self._accepts(postmaster.port, patience):
                return Address(HOST, postmaster.port, postmaster.process.pid)
            if time.monotonic() > deadline:
                raise _StillStartingError(
                    f"PostgreSQL in {data} does not accept connections yet; after a crash it may "
                    "be recovering. It goes on: start again to wait longer, or see "
                    f"{self.home / 'postgres.log'}."
                )
            time.sleep(0.02)

    def _accepts(self, port: int, patience: float) -> bool:
        # In a thread, because the caller's may have an event loop of its own.
        with ThreadPoolExecutor(1) as pool:
            try:
                return pool.submit(asyncio.run, _connects(port, self._password, patience)).result()
            except asyncpg.InvalidAuthorizationSpecificationError as error:
                raise EmbeddedPostgresError(
                    "The password in secrets.json (or OUTLAY_SUPERUSER_PASSWORD) does not match "
                    f"the data in {self._data()}. Restore the secrets that belong to the data, or "
                    f"move {self.home} away to begin with an empty database."
                ) from error

    def _shut_down(self, data: Path, timeout: float) -> None:
        (self.home / "address.json").unlink(missing_ok=True)
        postmaster = find_postmaster(data)
        if postmaster is not None:
            end_postmaster(postmaster, timeout)
        end_leftovers(data)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedPostgresError(f"PostgreSQL in {self.home}: {error}") from error

    @contextmanager
    def _locked(self, deadline: float) -> Iterator[None]:
        """Starting and stopping is done by one process at a time."""
        with (self.home / "lock").open("a") as file:

            def acquire() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            if not wait_until(acquire, deadline - time.monotonic()):
                raise EmbeddedPostgresError(
                    f"Another process has been starting or stopping PostgreSQL in {self.home} for "
                    "too long. Wait for it or end it, then try again."
                )
            yield

    def _last_port(self) -> int | None:
        try:
            return int((self.home / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _write(self, name: str, text: str) -> None:
        temporary = self.home / f"{name}.tmp"
        temporary.write_text(text)
        temporary.replace(self.home / name)


async def _connects(port: int, password: str, patience: float) -> bool:
    try:
        connection = await asyncpg.connect(
            host=HOST,
            port=port,
            user="postgres",
            password=password,
            database="postgres",
            ssl=False,
            timeout=patience,
        )
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
    ):
        return False
    await connection.close()
    return True


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except (OSError, OverflowError):
            probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
