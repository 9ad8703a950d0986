from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backend.settings import Settings
from tests.readme import blocks, lasting, run
from tests.served import served


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's calls are made with curl")
def test_the_readmes_calls_answer_what_it_shows(settings: Settings, tmp_path: Path) -> None:
    shown = blocks()
    assert len(shown) == 10
    with served(settings) as url:
        answers = run(url, [block.calls for block in shown], tmp_path)
    for block, answer in zip(shown, answers, strict=True):
        assert lasting(answer) == block.lasting, block.calls
