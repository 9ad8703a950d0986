"""The service with routes that authenticate the caller and send back what they were given."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from api.app import create_app as create_service
from api.deps import CurrentScope


def create_app() -> FastAPI:
    app = create_service()
    kept = {"body": b""}

    @app.put("/floor", status_code=204)
    async def keep(request: Request, _scope: CurrentScope) -> None:
        kept["body"] = await request.body()

    @app.get("/floor")
    async def send(_scope: CurrentScope) -> Response:
        return Response(kept["body"], media_type="application/json")

    @app.get("/floor/unchanged")
    async def send_nothing(_scope: CurrentScope) -> Response:
        return Response(status_code=304)

    return app
