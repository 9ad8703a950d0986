"""Whole answers as files that are sent while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Final

import structlog
from fastapi import Depends
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.disconnect import while_connected
from backend.errors import OutlayError
from backend.warehouse.execution import Batches
from backend.warehouse.formats import Format, Writer

_PIECE_BYTES: Final = 64 * 1024  # who reads one of them in time is not idle

_log = structlog.get_logger(__name__)


async def _lifetime() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


# What is entered here is left when the answer has been sent, or will never be.
Lifetime = Annotated[AsyncExitStack, Depends(_lifetime)]


class BrokenOffError(Exception):
    """An answer that cannot be finished; the server closes the connection in the middle of it."""


class StreamedFile(Response):
    """`batches` as the bytes of `writer`; whoever made `batches` closes it.

    The status is sent before the rows are known, so what goes wrong with them later breaks the
    connection off: half a file must not look like a whole one.
    """

    def __init__(
        self,
        batches: Batches,
        writer: Writer,
        *,
        format_: Format,
        name: str,
        headers: Mapping[str, str],
        idle_seconds: float,
    ) -> None:
        """`idle_seconds` is how long the reader may leave a piece of it alone."""
        self._batches = batches
        self._writer = writer
        self._idle_seconds = idle_seconds
        self.status_code = 200
        self.background = None
        self.init_headers({
            **headers,
            "Content-Type": format_.content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        })  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            async with while_connected(receive):
                await self._send(send)
        except ClientDisconnect:
            _log.info("download_left")

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        try:
            async for piece in self._pieces():
                async with asyncio.timeout(self._idle_seconds):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            reason = f"its reader left it alone for {self._idle_seconds:g} seconds"
            raise BrokenOffError(reason) from None
        except OutlayError as error:
            raise BrokenOffError(error.detail) from error
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for part in self._parts():
            for begin in range(0, len(part), _PIECE_BYTES):
                yield part[begin : begin + _PIECE_BYTES]

    async def _parts(self) -> AsyncIterator[bytes]:
        yield self._writer.begin()
        async for batch in self._batches:
            yield await asyncio.to_thread(self._writer.batch, batch)
        yield await asyncio.to_thread(self._writer.end)


def file_name(dataset: str, as_of: datetime, format_: Format) -> str:
    """``fct_transactions-2025-03-10.csv``; the id of a dataset is a plain identifier."""
    return f"{dataset}-{as_of:%Y-%m-%d}.{format_.extension}"
