"""The service behind a real server, for what only sockets show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from api.app import create_app
from backend.cli.ports import free_port
from backend.settings import Settings
from bench.serving import wait_for


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Its URL."""
    config = uvicorn.Config(create_app(settings), port=free_port(), log_config=None)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        url = f"http://127.0.0.1:{config.port}"
        wait_for(f"{url}/healthz", seconds=60)
        yield url
    finally:
        server.should_exit = True
        thread.join()
