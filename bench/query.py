"""Questions of the cost events: server time, over HTTP, against floors and against peers.

`python -m bench.query --size small|full` prints JSON lines.
"""

from __future__ import annotations

from bench.common import instance, machine, size
from bench.queries import server_time
from bench.queries.people import settle
from bench.queries.world import MILLION, publish_world


def main() -> None:
    machine()
    chosen = size()
    with instance() as settings:
        world = publish_world(settings, MILLION if chosen == "small" else 10 * MILLION)
        callers = settle(settings, world)
        server_time.rows(world, callers)
        server_time.grouped(world, callers)


if __name__ == "__main__":
    main()
