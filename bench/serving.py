"""A server under measurement, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from backend.cli.ports import free_port
from backend.settings import Settings

_UNLIMITED = "1000000000"  # requests: whoever measures asks more than anybody may


@contextmanager
def serving(
    settings: Settings, factory: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The URL of `factory` (``module:function``) under uvicorn while the block lasts."""
    with serving_process(settings, factory, environment) as (url, _):
        yield url


@contextmanager
def serving_process(
    settings: Settings, factory: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """As `serving`, with the id of the process."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", factory, "--factory", "--no-access-log"),
        *("--port", str(port), "--log-level", "warning"),
    ]
    variables = {
        "OUTLAY_HOME": str(settings.home),
        "OUTLAY_LOG_LEVEL": "ERROR",
        "OUTLAY_RATE_LIMIT_REQUESTS": _UNLIMITED,
    }
    url = f"http://127.0.0.1:{port}"
    with running(command, variables | {**(environment or {})}) as process:
        wait_for(f"{url}/healthz", seconds=60)
        yield url, process


@contextmanager
def running(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """The id of a process that ends with the block."""
    process = subprocess.Popen(
        command, env=os.environ | {**(environment or {})}, stdout=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, *, seconds: float) -> None:
    """Raises TimeoutError unless `url` answers well in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(0.05)
    raise TimeoutError(url)
