"""Server-sent events: an answer that goes on while its caller listens."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.errors import TooManyRequests

MAX_STREAMS = 8  # of one user, in one process
RETRY_AFTER_SECONDS = 10

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies pass it on at once


def event_schema(names: Sequence[str], data: Mapping[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of a stream; `data` is the schema of that field."""
    fields: dict[str, Any] = {
        "event": {"type": "string", "enum": list(names)},
        "data": dict(data),
        "id": {"type": "string"},
        "retry": {"type": "integer", "description": "Milliseconds until coming back."},
    }
    return {"itemSchema": {"type": "object", "properties": fields, "required": list(fields)}}


class EventStreams:
    """How many streams each user listens to."""

    def __init__(self, max_streams: int = MAX_STREAMS) -> None:
        self._max_streams = max_streams
        self._open: Counter[UUID] = Counter()

    @property
    def listeners(self) -> int:
        return self._open.total()

    def take(self, user_id: UUID) -> None:
        """Take a place, to be released; `TooManyRequests` when all of the user's are taken."""
        if self._open[user_id] >= self._max_streams:
            raise TooManyRequests(
                f"You listen to {self._max_streams} streams of events already. Close one of them.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._open[user_id] += 1

    def release(self, user_id: UUID) -> None:
        self._open[user_id] -= 1
        self._open = +self._open  # who has none is forgotten


class EventStream(StreamingResponse):
    """`events` are in the wire's format; they and the user's place end with the answer.

    `TooManyRequests` when the user has no place left.

    FastAPI's own class takes over from the route, which then could not refuse any more.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes, None], streams: EventStreams, user_id: UUID
    ) -> None:
        streams.take(user_id)
        super().__init__(events, headers=_HEADERS)
        self._events = events
        self._streams = streams
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._events):
                await super().__call__(scope, receive, send)
        finally:
            self._streams.release(self._user_id)
