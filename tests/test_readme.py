from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from api.app import create_app
from backend.cli.ports import free_port
from backend.settings import Settings
from bench.serving import wait_for
from tests.readme import blocks, lasting, run


@contextmanager
def served(settings: Settings) -> Iterator[str]:
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


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's calls are made with curl")
def test_the_readmes_calls_answer_what_it_shows(settings: Settings, tmp_path: Path) -> None:
    shown = blocks()
    assert len(shown) == 10
    with served(settings) as url:
        answers = run(url, [block.calls for block in shown], tmp_path)
    for block, answer in zip(shown, answers, strict=True):
        assert lasting(answer) == block.lasting, block.calls
