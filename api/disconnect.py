"""Nobody computes for a client that has gone away.

A server tells that a client is gone only to who asks for the next message of the request, which
no framework does while a handler works.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Receive


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block when the client goes away; what it raises is then ClientDisconnect.

    For requests whose body has been read (`receive` is `request.receive`), or has none.
    """

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        connected.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as connected:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if connected.expired():
            raise ClientDisconnect from None
        raise
