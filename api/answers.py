"""Answers from a generation: who may keep them, when they are sent, and when `304` will do."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from fastapi import Request, Response

from api.preconditions import etag, names_tag
from api.problems import described_headers
from backend.analytics.asking import Asked, asked
from backend.scope import Scope
from backend.warehouse.common_filters import CommonFilters
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse

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
RESPONSES = {
    200: {"headers": _HEADERS},
    304: {"description": "What you have is still the answer.", "headers": _HEADERS},
}


def headers(*, stale: bool | None) -> dict[str, str]:
    """Nobody else may keep the answer, and the caller asks again before using it again."""
    common = {
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Outlay-Organization, Accept",
    }
    return common if stale is None else common | {"Outlay-Stale": str(stale).lower()}


async def answer(
    request: Request,
    warehouse: Warehouse,
    scope: Scope,
    spec: QuerySpec,
    common: CommonFilters | None = None,
) -> Response:
    """Nothing is compiled or run for an answer that the caller has, or that is still in memory."""
    async with asked(warehouse, scope, spec, common or CommonFilters()) as question:
        tag = _tag(question, "json")
        sent = _headers(question.snapshot, tag)
        condition = request.headers.get(IF_NONE_MATCH) if request.method == "GET" else None
        if condition is not None and names_tag(condition, tag):
            return Response(status_code=304, headers=sent)
        body = await warehouse.results.get(tag, question.snapshot.generation, question.json)
        if condition is not None and condition.strip() == "*":  # there is an answer
            return Response(status_code=304, headers=sent)
        return Response(body, media_type="application/json", headers=sent)


def _tag(question: Asked, format_: str) -> str:
    made_of = f"{_PROGRAM}\n{format_}\n{question.identity()}"
    return etag(hashlib.sha256(made_of.encode()).hexdigest()[:40])


def _headers(snapshot: Snapshot, tag: str) -> dict[str, str]:
    return headers(stale=snapshot.is_stale) | {
        "ETag": tag,
        "Outlay-Generation": snapshot.generation,
        "Outlay-As-Of": snapshot.as_of.isoformat().replace("+00:00", "Z"),
    }
