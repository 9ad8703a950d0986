"""The embedded PostgreSQL, for real: as root (where it has to drop to another user) or not."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest

from backend.db import postgres_cluster, postgres_processes
from backend.db.embedded import LOG_LIMIT, Address, EmbeddedPostgres, EmbeddedPostgresError
from backend.db.postgres_binaries import locate

PASSWORD = "correct horse"
OPTIONS = {"fsync": "off", "shared_buffers": "16MB"}
ROOT = Path(__file__).parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")

START = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from backend.db.embedded import EmbeddedPostgres
options = {"fsync": "off", "shared_buffers": "16MB"}
address = EmbeddedPostgres(Path(sys.argv[1]), sys.argv[2], options=options).start()
print(json.dumps(asdict(address)))
"""

KEEP_BUSY = """
import asyncio, sys
import asyncpg
async def run(port, password):
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user="postgres", password=password, ssl=False
    )
    await connection.execute("DO $$ BEGIN LOOP END LOOP; END $$")
asyncio.run(run(int(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder everybody can enter, which pytest's `tmp_path` is not."""
    path = Path(tempfile.mkdtemp(prefix="outlay-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder / "postgres", PASSWORD, options=OPTIONS)
    yield server
    server.stop()


def query(address: Address, sql: str, password: str = PASSWORD) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user="postgres",
            password=password,
            database="postgres",
            ssl=False,
        )
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def data_of(server: EmbeddedPostgres) -> Path:
    return (server.home / "data").resolve()


def start_elsewhere(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, str(home), PASSWORD],
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_from(process: subprocess.Popen[str]) -> Address:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return Address(**json.loads(output))


def test_a_restart_keeps_the_data_and_the_address(server: EmbeddedPostgres) -> None:
    published = server.home / "address.json"
    assert server.running() is None
    server.stop()  # nothing to stop, and nothing is created by it
    assert not server.home.exists()

    first = server.start()
    assert server.start() == server.running() == first
    assert json.loads(published.read_text()) == {
        "host": "127.0.0.1",
        "port": first.port,
        "pid": first.pid,
    }
    query(first, "CREATE TABLE kept AS SELECT 42 AS answer")

    server.stop()
    server.stop()
    assert server.running() is None
    assert not published.exists()
    assert ended(first.pid)

    second = server.start()
    assert second.port == first.port
    assert query(second, "SELECT answer FROM kept") == 42


def test_context_manager_stops_what_it_started(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", PASSWORD, options=OPTIONS)
    with server as address:
        assert server.running() == address
    assert server.running() is None


def test_start_works_inside_an_event_loop(server: EmbeddedPostgres) -> None:
    async def start() -> Address:
        return server.start()

    assert asyncio.run(start()) == server.running()


def test_the_cluster_is_made_as_promised(server: EmbeddedPostgres) -> None:
    address = server.start()
    settings = "server_encoding data_checksums fsync synchronous_commit password_encryption"
    shown = [query(address, f"SHOW {name}") for name in settings.split()]
    assert shown == ["UTF8", "on", "off", "on", "scram-sha-256"]
    provider = (
        "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'"
    )
    assert query(address, provider) == "bC.UTF-8"
    postmaster = psutil.Process(address.pid)
    assert postmaster.uids().real != 0
    assert os.getsid(address.pid) == address.pid  # out of reach of our terminal's Ctrl-C
    assert not {"OUTLAY_SUPERUSER_PASSWORD", "HOME"} & set(postmaster.environ())


def test_only_loopback_and_only_with_the_password(server: EmbeddedPostgres) -> None:
    address = server.start()
    postmaster = psutil.Process(address.pid)
    listening = [
        tuple(connection.laddr)
        for connection in postmaster.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == [("127.0.0.1", address.port)]
    assert not [path for path in postmaster.net_connections("unix") if path.laddr]
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(address, "SELECT 1", password="wrong")


@pytest.mark.parametrize("alive", [True, False], ids=["adopting", "launching"])
def test_a_password_that_is_not_the_data_s(server: EmbeddedPostgres, *, alive: bool) -> None:
    address = server.start()
    if not alive:
        server.stop()
    with pytest.raises(EmbeddedPostgresError, match=r"secrets\.json .* does not match the data in"):
        EmbeddedPostgres(server.home, "wrong", options=OPTIONS).start()
    assert server.running() == (address if alive else None)


def test_start_after_the_postmaster_was_killed(server: EmbeddedPostgres) -> None:
    first = server.start()
    query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    # A statement keeps its backend busy, so it does not notice that the postmaster is gone.
    reader = subprocess.Popen(
        [sys.executable, "-c", KEEP_BUSY, str(first.port), PASSWORD], stderr=subprocess.DEVNULL
    )
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"
    eventually(lambda: query(first, active) == 1)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: ended(first.pid))
    assert server.running() is None

    second = server.start()
    assert second.pid != first.pid
    assert query(second, "SELECT answer FROM kept") == 42
    assert reader.wait(timeout=10) != 0  # its backend was removed


def test_a_pid_file_whose_pid_is_somebody_else_now(server: EmbeddedPostgres) -> None:
    server.start()
    pid_file = data_of(server) / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    other_program = subprocess.Popen(["/bin/sleep", "60"], cwd=data_of(server))
    try:
        for pid in (os.getpid(), other_program.pid):
            pid_file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")
            (server.home / "address.json").write_text('{"host": "x", "port": 1, "pid": 1}')
            assert server.running() is None
            assert server.start().pid != pid
            server.stop()
        assert other_program.poll() is None
    finally:
        other_program.kill()
        other_program.wait()


def test_a_pid_file_that_was_cut_short(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (data_of(server) / "postmaster.pid").write_text("")
    assert server.running() is None
    assert server.running() != server.start()


def test_two_processes_start_one_server(server: EmbeddedPostgres) -> None:
    racers = [start_elsewhere(server.home) for _ in range(2)]
    first, second = (address_from(racer) for racer in racers)
    assert first == second == server.running()  # and it outlived both


def test_a_starter_killed_on_its_way_leaves_nothing_that_hurts(server: EmbeddedPostgres) -> None:
    def step(name: str) -> bool:
        return any(server.home.glob(name))

    for milestone in ("initdb-*/data/PG_VERSION", "data/PG_VERSION"):
        starter = start_elsewhere(server.home)
        eventually(partial(step, milestone))
        starter.kill()
        starter.communicate()
    address = server.start()
    assert query(address, "SELECT 1") == 1
    assert not step("initdb-*")


def test_data_of_another_major_version(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (data_of(server) / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"written by PostgreSQL 16; .*pg_dumpall"):
        server.start()


def test_an_error_quotes_what_the_server_said(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", PASSWORD, options={"work_mem": "plenty"})
    with pytest.raises(EmbeddedPostgresError, match=r'(?s)postgres\.log.*"work_mem": "plenty"'):
        server.start()
    assert server.running() is None
    assert not (server.home / "address.json").exists()


def test_another_port_when_the_last_one_is_taken(server: EmbeddedPostgres) -> None:
    first = server.start()
    server.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        second = server.start()
    assert second.port != first.port


def test_a_long_log_is_put_aside(server: EmbeddedPostgres) -> None:
    server.home.mkdir()
    log = server.home / "postgres.log"
    log.write_bytes(b"." * (LOG_LIMIT + 1))
    server.start()
    assert log.with_name("postgres.log.1").stat().st_size == LOG_LIMIT + 1
    assert 0 < log.stat().st_size < LOG_LIMIT


def test_stop_ends_a_server_that_does_not_listen(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_processes, "IMMEDIATE_SHUTDOWN", 0.1)
    address = server.start()
    os.kill(address.pid, signal.SIGSTOP)
    with pytest.raises(EmbeddedPostgresError, match="does not accept connections"):
        server.start(timeout=0)
    server.stop(timeout=0)
    assert ended(address.pid)


@as_root
def test_root_whose_home_and_packages_are_closed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(postgres_cluster, "SHELTER", folder / "shelter")
    wheel = locate().package
    for name in (wheel.name, f"{wheel.name}.libs"):
        if wheel.with_name(name).exists():
            (closed / name).symlink_to(wheel.with_name(name))
    monkeypatch.syspath_prepend(closed)

    server = EmbeddedPostgres(closed / "home" / "postgres", PASSWORD, options=OPTIONS)
    with server as first:
        query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert data_of(server).is_relative_to(folder / "shelter")
        assert Path(psutil.Process(first.pid).exe()).is_relative_to(folder / "shelter")
        assert closed.stat().st_mode & 0o777 == 0o700
    with server as second:
        assert query(second, "SELECT answer FROM kept") == 42

    shutil.rmtree(server.home)
    with server as third:  # a new home at the same path is a new instance
        assert query(third, "SELECT to_regclass('kept')") is None

    shutil.rmtree(folder / "shelter")
    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        server.start()


@as_root
def test_root_s_data_is_refused_with_advice(server: EmbeddedPostgres) -> None:
    (server.home / "data").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="chown -R"):
        server.start()


@as_root
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_normal_user_runs_it_as_themselves(server: EmbeddedPostgres) -> None:
    nobody = pwd.getpwnam("nobody")
    server.home.mkdir()
    os.chown(server.home, nobody.pw_uid, nobody.pw_gid)
    # A fork, since nobody may be unable to execute this Python (root's may lie under /root).
    if (child := os.fork()) == 0:
        failed = 1
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            server.start()
            failed = 0
        finally:
            if failed:
                traceback.print_exc()
            os._exit(failed)
    assert os.waitpid(child, 0)[1] == 0
    address = server.running()
    assert address is not None
    assert psutil.Process(address.pid).uids().real == nobody.pw_uid
    assert server.start() == address  # root adopts it
    server.stop()
    assert psutil.Process(server.start().pid).uids().real == nobody.pw_uid
