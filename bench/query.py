"""Questions of the cost events: server time, over HTTP, against floors and against peers.

`python -m bench.query --size small|full` prints JSON lines. What each case means, and what its
figures were, is in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from bench.common import instance, machine, size, skipped
from bench.peers.compare import PEERS, peers
from bench.queries import over_http, server_time
from bench.queries.export_memory import csv_export
from bench.queries.over_http import Rounds
from bench.queries.people import settle
from bench.queries.server_time import NAME
from bench.queries.world import MILLION, World, publish_world

_SMALL = "takes longer than a minute; use SIZE=full"


def main() -> None:
    machine()
    is_full = size() == "full"
    rounds = Rounds(5, 4) if is_full else Rounds(1, 1)
    with instance() as settings:
        world = publish_world(settings, (10 if is_full else 1) * MILLION)
        callers = settle(settings, world)
        server_time.rows(world, callers)
        server_time.grouped(world, callers)
        over_http.against_the_obvious_way(settings, callers, rounds, rows=world.rows)
        over_http.kept_answers(settings, callers, rounds, rows=world.rows)
        over_http.arrow(settings, callers, rounds, rows=world.rows)
        if is_full:
            peers(world, callers, rounds)
            csv_export(world, callers)
            server_time.growth(_sizes(world), callers)
            return
    for peer in PEERS:
        skipped(NAME, f"f: {peer.name} {peer.version}", _SMALL)
    skipped(NAME, "g: the same person's query at 1 M, 10 M and 50 M rows in all", _SMALL)
    skipped(NAME, "h: peak memory of a CSV export of 5 M rows", _SMALL)


def _sizes(world: World) -> Sequence[World]:
    """A tenth of the world, itself, and five times as much, each in a home of its own."""
    home = world.settings.home
    smaller = publish_world(Settings(home=home / "smaller"), world.rows // 10)
    larger = publish_world(Settings(home=home / "larger"), world.rows * 5)
    return smaller, world, larger


if __name__ == "__main__":
    main()
