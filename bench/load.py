"""A load generator: so many connections, each with one request under way at a time, kept alive.

It runs in a process of its own and does no more for an answer than find its end, so that what is
measured is the server. A benchmark calls `load`; `python -m bench.load` is that process.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 8
_LONGEST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and the status that it must be answered with."""

    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: str = ""
    status: int = 200

    def bytes(self) -> bytes:
        target = urlsplit(self.url)
        lines = [
            f"{self.method} {target.path}{f'?{target.query}' if target.query else ''} HTTP/1.1",
            f"Host: {target.netloc}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if self.body:
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True, slots=True)
class Load:
    """`bytes` are those of one answer's body, in the mean."""

    per_second: float
    median_ms: float
    answers: int
    bytes: float


def load(calls: Sequence[Call], *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Send `calls` in turn, over and over. RuntimeError for an answer that is not as it must be."""
    work = {
        "calls": [asdict(call) for call in calls],
        "seconds": seconds,
        "connections": connections,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(work),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _LONGEST_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"The load generator stopped: {done.stderr[-2000:]}")
    return Load(**json.loads(done.stdout))


class Connection(asyncio.BufferedProtocol):
    """Answers of HTTP/1.1 with a length, in chunks, or without a body."""

    def __init__(self) -> None:
        self._buffer = bytearray(2**18)
        self._kept = bytearray()  # what has come and is not understood yet
        self._left: int | None = None  # of the body; None while the head has not come
        self._is_chunked = False
        self._size = 0
        self._status = 0
        self._answered: asyncio.Future[tuple[int, int]] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own has no base

    async def ask(self, request: bytes) -> tuple[int, int]:
        """The status, and the length of the body."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._left, self._is_chunked, self._size = None, False, 0
        self._transport.write(request)
        return await self._answered

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left is not None and not self._is_chunked:  # the body's bytes are only counted
            self._left -= nbytes
        else:
            self._kept += memoryview(self._buffer)[:nbytes]
            if self._left is None and not self._read_head():
                return
            if self._is_chunked:
                self._read_chunks()
        if self._left == 0 and self._answered is not None and not self._answered.done():
            self._answered.set_result((self._status, self._size))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("The server closed the connection"))

    def _read_head(self) -> bool:
        end = self._kept.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = bytes(self._kept[:end]).split(b"\r\n")
        del self._kept[: end + 4]
        self._status = int(first.split(b" ", 2)[1])
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        self._is_chunked = fields.get(b"transfer-encoding") == b"chunked"
        if self._is_chunked:
            self._left = 1  # until the last chunk has come
            return True
        has_body = self._status not in {204, 304}
        self._size = int(fields[b"content-length"]) if has_body else 0
        self._left = self._size - len(self._kept)
        self._kept.clear()
        return True

    def _read_chunks(self) -> None:
        place = 0
        while (line := self._kept.find(b"\r\n", place)) >= 0:
            length = int(self._kept[place:line].split(b";")[0], 16)
            end = line + 2 + length + 2
            if len(self._kept) < end:
                break
            place = end
            self._size += length
            if length == 0:
                self._left = 0
                break
        del self._kept[:place]


async def run(work: Mapping[str, Any]) -> Load:
    calls = [Call(**call) for call in work["calls"]]
    requests = [(call.bytes(), call.status) for call in calls]
    target = urlsplit(calls[0].url)
    host, port = target.hostname or "127.0.0.1", target.port or 80
    took: list[float] = []
    sizes: list[int] = []
    turn = iter(range(sys.maxsize))

    async def keep_asking(until: float) -> None:
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(Connection, host, port)
        while (started := time.perf_counter()) < until:
            request, expected = requests[next(turn) % len(requests)]
            status, size = await connection.ask(request)
            if status != expected:
                raise RuntimeError(f"{status} instead of {expected} for {request[:300]!r}")
            took.append(time.perf_counter() - started)
            sizes.append(size)
        transport.close()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(work["connections"]):
            group.create_task(keep_asking(started + work["seconds"]))
    elapsed = time.perf_counter() - started
    return Load(
        per_second=len(took) / elapsed,
        median_ms=statistics.median(took) * 1000,
        answers=len(took),
        bytes=statistics.mean(sizes),
    )


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(run(json.load(sys.stdin))))))


if __name__ == "__main__":
    main()
