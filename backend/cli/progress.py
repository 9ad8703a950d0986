"""Steps with their time, readable on a terminal and in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)
errors = Console(highlight=False, stderr=True)  # for commands whose output is for programs


@contextmanager
def step(what: str, console: Console = console) -> Iterator[Callable[[str], None]]:
    """Show `what` while it happens, and how long it took; yields a function that adds a detail."""
    detail = ""

    def note(text: str) -> None:
        nonlocal detail
        detail = text
        if console.is_terminal:
            status.update(f"{what}: {text}")

    started = time.monotonic()
    with console.status(f"{what} …") as status:
        try:
            yield note
        except BaseException:
            console.print(f"[red]✗[/] {what} [dim]{time.monotonic() - started:.1f} s[/]")
            raise
    console.print(
        f"[green]✓[/] {what}{f': {detail}' if detail else ''} "
        f"[dim]{time.monotonic() - started:.1f} s[/]"
    )
