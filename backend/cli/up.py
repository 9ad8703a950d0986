"""`outlay up`: one instance from nothing to answering, and back down again."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx

from backend.cli.board import make_board, remove_board, show_board, write_board
from backend.cli.database import prepare_database, running_database
from backend.cli.home import make_private_folders
from backend.cli.ports import free_port, require_free
from backend.cli.processes import Program, Supervisor
from backend.cli.progress import console, step
from backend.jobs.launcher import DagsterLauncher
from backend.seeds.report import SeedReport
from backend.settings import Settings

_START_SECONDS = 180.0  # two slow cores load Dagster three times over
_REFRESH_SECONDS = 900.0


class AlreadyRunning(Exception):
    """Another `outlay up` uses the same home."""


class Stopped(Exception):
    """A signal asked the instance to stop."""


def up(settings: Settings, *, demo: bool) -> None:
    """Start everything, show the board, stay until a signal, stop everything."""
    with ExitStack() as stack:
        stack.enter_context(_stop_signals())
        with suppress(Stopped):
            _run(settings, stack, demo=demo)
        _ignore_signals()  # an impatient second Ctrl-C must not leave half of it running
        with step("Stop"):
            stack.close()


def _run(settings: Settings, stack: ExitStack, *, demo: bool) -> None:
    stack.enter_context(_only_instance(settings.home))
    supervisor = Supervisor(
        settings.home / "processes.json", settings.home / "logs", _environment(settings)
    )
    ended = supervisor.end_leftovers()
    if ended:
        console.print(f"Ended {ended} processes that an earlier start had left behind.")
    require_free(settings.api_host, settings.api_port, "OUTLAY_API_PORT")
    require_free(settings.dagster_host, settings.dagster_port, "OUTLAY_DAGSTER_PORT")

    make_private_folders(settings)
    with step("PostgreSQL") as note:
        revive = stack.enter_context(running_database(settings))
        prepare_database(settings)
        note(_place(settings))
    stack.callback(supervisor.stop)
    grpc_port = _start_programs(settings, supervisor)
    reports = _seed_demo(settings) if demo else []
    with step("API and Dagster"):
        # A daemon that finds no code gives up the runs that it would have to take on again.
        supervisor.wait_until(
            _listens(grpc_port), "Dagster's code server", timeout_seconds=_START_SECONDS
        )
        supervisor.start(_daemon(settings))
        for what, ready in (
            ("The API", _answers(f"{_local(settings.api_host, settings.api_port)}/healthz")),
            ("Dagster", _has_loaded_the_code(settings)),
        ):
            supervisor.wait_until(ready, what, timeout_seconds=_START_SECONDS)
    if demo:
        _first_generation(settings, supervisor)
    board = make_board(settings, reports)
    stack.callback(remove_board, settings)
    write_board(settings, board)
    show_board(board)
    _stay(supervisor, revive)


def _start_programs(settings: Settings, supervisor: Supervisor) -> int:
    """The API, Dagster's webserver, and one code server that it shares with the daemon.

    Answers the code server's port.
    """
    from orchestration.dbt_project import prepare_manifest
    from orchestration.instance import workspace_path, write_instance

    with step("dbt project"):
        prepare_manifest(settings)
    grpc_port = free_port()
    supervisor.update_environment(write_instance(settings, grpc_port))
    python = sys.executable
    scripts = Path(python).parent
    workspace = str(workspace_path(settings))
    supervisor.start(
        Program(
            "dagster-code",
            [
                *(str(scripts / "dagster"), "api", "grpc"),
                *("-m", "orchestration.definitions", "--host", "127.0.0.1"),
                *("--port", str(grpc_port), "--location-name", "outlay"),
            ],
        )
    )
    supervisor.start(
        Program(
            "api",
            [
                *(python, "-m", "uvicorn", "api.app:create_app", "--factory", "--no-access-log"),
                *("--host", settings.api_host, "--port", str(settings.api_port)),
                *("--timeout-graceful-shutdown", "5"),
            ],
        )
    )
    supervisor.start(
        Program(
            "dagster-webserver",
            [
                *(str(scripts / "dagster-webserver"), "-w", workspace),
                *("-h", settings.dagster_host, "-p", str(settings.dagster_port)),
            ],
        )
    )
    return grpc_port


def _daemon(settings: Settings) -> Program:
    from orchestration.instance import workspace_path

    daemon = str(Path(sys.executable).parent / "dagster-daemon")
    return Program("dagster-daemon", [daemon, "run", "-w", str(workspace_path(settings))])


def _seed_demo(settings: Settings) -> list[SeedReport]:
    from backend.cli.seed import run_demo_seed

    with step("Demo data") as note:
        reports = run_demo_seed(settings, progress=note)
        note(f"{sum(report.transactions for report in reports):,} transactions")
    return reports


def _first_generation(settings: Settings, supervisor: Supervisor) -> None:
    """Build the marts once through Dagster; later starts serve what is there."""
    from backend.cli.refresh import launched_refresh
    from backend.warehouse.generation import resolve

    if resolve(settings.warehouse_dir) is not None:
        return
    with step("First refresh: extract, dbt, reconcile, publish") as note:
        launched_refresh(
            settings, watch=supervisor.watch, progress=note, timeout_seconds=_REFRESH_SECONDS
        )


def _stay(supervisor: Supervisor, revive: Callable[[], bool]) -> NoReturn:
    while True:
        supervisor.watch()
        if revive():
            console.print("PostgreSQL had stopped and was started again; see its log.")
        threading.Event().wait(1)


def _environment(settings: Settings) -> dict[str, str]:
    """What the children get: our own settings made absolute, and no buffering of their logs."""
    return os.environ | {"OUTLAY_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}


def _place(settings: Settings) -> str:
    url = settings.admin_url()
    kind = "embedded" if settings.database_url is None else "given"
    return f"{kind}, {url.host}:{url.port}"


def _local(host: str, port: int) -> str:
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104  # compared, not bound


def _answers(url: str) -> Callable[[], bool]:
    def check() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(url, timeout=2).is_success
        return False

    return check


def _listens(port: int) -> Callable[[], bool]:
    def check() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


def _has_loaded_the_code(settings: Settings) -> Callable[[], bool]:
    """Dagster's pages answer long before its code server does."""

    async def check() -> bool:
        launcher = DagsterLauncher(settings.dagster_graphql_url)
        try:
            return await launcher.healthy()
        finally:
            await launcher.aclose()

    return lambda: asyncio.run(check())


@contextmanager
def _only_instance(home: Path) -> Iterator[None]:
    """Two supervisors in one home would fight over its processes."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"Outlay runs already in {home}. Stop it with Ctrl-C where it was started, or give "
                "this one its own OUTLAY_HOME, OUTLAY_API_PORT and OUTLAY_DAGSTER_PORT."
            ) from error
        yield


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _stop_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise Stopped

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
