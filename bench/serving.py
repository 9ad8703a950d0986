"""A server under measurement, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from backend.cli.ports import free_port
from backend.settings import Settings


@contextmanager
def serving(settings: Settings, factory: str) -> Iterator[str]:
    """The URL of `factory` (``module:function``) under uvicorn while the block lasts."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", factory, "--factory", "--no-access-log"),
            *("--port", str(port), "--log-level", "warning"),
        ],
        env=os.environ | {"OUTLAY_HOME": str(settings.home), "OUTLAY_LOG_LEVEL": "ERROR"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", seconds=60)
        yield f"http://127.0.0.1:{port}"
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
