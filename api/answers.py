"""Answers from a generation: who may keep them, when they are sent, and when `304` will do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from api.deps import AppState, CurrentScope, State
from api.disconnect import while_connected
from api.preconditions import etag, names_tag
from api.problems import described_headers, problem_responses
from api.streaming import Lifetime, StreamedFile, file_name
from backend.analytics.asking import Asked, asked
from backend.errors import Gone
from backend.scope import Scope
from backend.warehouse.common_filters import NO_FILTERS, CommonFilters
from backend.warehouse.formats import Format
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spec import QuerySpec

IF_NONE_MATCH = "If-None-Match"
_PROGRAM = version("outlay")

_HEADERS = described_headers(
    {
        "ETag": "Of these very bytes: it changes with the generation, with what you may see, and "
        "with what you ask, never with time.",
        "Outlay-Generation": "The id of the generation that answers.",
        "Outlay-As-Of": "When its source was read.",
        "Outlay-Stale": "`true` when that was longer ago than this instance allows.",
    },
    always=True,
)
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"headers": _HEADERS},
    304: {"description": "What you have is still the answer.", "headers": _HEADERS},
    **problem_responses(Gone),
}


def headers(*, stale: bool | None) -> dict[str, str]:
    """Nobody else may keep the answer, and the caller asks again before using it again."""
    common = {
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Outlay-Organization, Accept",
    }
    return common if stale is None else common | {"Outlay-Stale": str(stale).lower()}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks a generation, and all that an answer to them takes."""

    request: Request
    state: AppState
    scope: Scope
    lifetime: AsyncExitStack


async def get_caller(
    request: Request, state: State, scope: CurrentScope, lifetime: Lifetime
) -> Caller:
    return Caller(request, state, scope, lifetime)


CurrentCaller = Annotated[Caller, Depends(get_caller)]


async def answer(
    caller: Caller,
    spec: QuerySpec,
    common: CommonFilters = NO_FILTERS,
    format_: Format = Format.JSON,
) -> Response:
    """Nothing is compiled or run for an answer that the caller has, or that is still in memory."""
    async with asked(caller.state.warehouse, caller.scope, spec, common) as question:
        tag = _tag(question, format_)
        sent = _headers(question.snapshot, tag)
        has = caller.request.headers.get(IF_NONE_MATCH) if caller.request.method == "GET" else None
        if has is not None and names_tag(has, tag):
            return Response(status_code=304, headers=sent)
        if format_.is_stream:
            response = await _file(caller, question, format_, sent)
        else:
            body = await _page(caller, question, tag)
            response = Response(body, media_type=format_.media_type, headers=sent)
        if has is not None and has.strip() == "*":  # whatever the answer is: there is one
            return Response(status_code=304, headers=sent)
        return response


async def _page(caller: Caller, question: Asked, tag: str) -> bytes:
    results = caller.state.warehouse.results
    known = results.find(tag)
    if known is not None:
        return known
    async with while_connected(caller.request.receive):
        return await results.get(tag, question.snapshot.generation, question.json)


async def _file(
    caller: Caller, question: Asked, format_: Format, sent: Mapping[str, str]
) -> Response:
    async with while_connected(caller.request.receive):
        batches, writer = await caller.lifetime.enter_async_context(question.file(format_))
    return StreamedFile(
        batches,
        writer,
        format_=format_,
        name=file_name(question.question.dataset.id, question.snapshot.as_of, format_),
        headers=sent,
        idle_seconds=caller.state.settings.stream_idle_seconds,
    )


def _tag(question: Asked, format_: Format) -> str:
    made_of = f"{_PROGRAM}\n{question.identity(format_)}"
    return etag(hashlib.sha256(made_of.encode()).hexdigest()[:40])


def _headers(snapshot: Snapshot, tag: str) -> dict[str, str]:
    return headers(stale=snapshot.is_stale) | {
        "ETag": tag,
        "Outlay-Generation": snapshot.generation,
        "Outlay-As-Of": snapshot.as_of.isoformat().replace("+00:00", "Z"),
    }
