"""The README's calls, run as they stand there; `python -m tests.readme` writes their answers anew.

Each ``sh`` block between the two markers is followed by a ``json`` block with what it prints.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.common import instance
from bench.serving import serving

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- calls: start -->\n", "<!-- calls: end -->\n"

_BLOCK = re.compile(r"```sh\n(?P<calls>.*?)```\n\n```json\n(?P<shown>.*?)```\n", re.DOTALL)
_VOLATILE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d{2}-\d{2}T[0-9:.]+Z"
    r'|(?<="version": ")[0-9a-f]{32}'
    r'|(?<="on": ")\d{4}-\d{2}-\d{2}'
)


@dataclass(frozen=True, slots=True)
class Block:
    calls: str
    shown: str

    @property
    def lasting(self) -> str:
        return lasting(self.shown)


def lasting(answer: str) -> str:
    """Without ids, versions, instants and today, which every run has of its own."""
    return _VOLATILE.sub("…", answer)


def blocks() -> list[Block]:
    section = README.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    return [Block(m["calls"], m["shown"]) for m in _BLOCK.finditer(section)]


def run(url: str, calls: list[str], folder: Path) -> list[str]:
    """What each block of calls prints, all in one shell against the service at `url`."""
    script = ["set -euo pipefail", f"cd {folder}", f"API={url}/api"]
    for n, lines in enumerate(calls):
        script += ["{", lines.replace("API=http://127.0.0.1:8000/api\n", ""), f"}} > printed-{n}"]
    done = subprocess.run(
        ["bash"],  # noqa: S607  # wherever the machine has it
        input="\n".join(script),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(folder / f"printed-{n}").read_text(encoding="utf-8") for n in range(len(calls))]


def _rewrite() -> None:
    with instance() as settings, serving(settings, "api.app:create_app") as url:
        folder = settings.home / "calls"
        folder.mkdir()
        answers = iter(run(url, [block.calls for block in blocks()], folder))
    before, start, rest = README.read_text(encoding="utf-8").partition(START)
    section, end, after = rest.partition(END)
    section = _BLOCK.sub(
        lambda m: f"```sh\n{m['calls']}```\n\n```json\n{next(answers)}```\n", section
    )
    README.write_text(before + start + section + end + after, encoding="utf-8")


if __name__ == "__main__":
    _rewrite()
