"""What every answer from a generation has in common."""

from __future__ import annotations

from fastapi import Request, Response

from backend.errors import FieldError, InvalidInput
from backend.warehouse.formats import Page, json_answer
from backend.warehouse.store import Snapshot

_LISTS = {"account_ids", "tag_ids"}


def headers(*, stale: bool | None) -> dict[str, str]:
    """Nobody else may keep the answer, and the caller asks again before using it again."""
    common = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Outlay-Organization"}
    return common if stale is None else common | {"Outlay-Stale": str(stale).lower()}


def answer(snapshot: Snapshot, page: Page) -> Response:
    return Response(
        json_answer(
            page,
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
        ),
        media_type="application/json",
        headers=headers(stale=snapshot.is_stale),
    )


def refuse_repetition(request: Request) -> None:
    """Of two values for one parameter, one would be ignored."""
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = {name for name in names if names.count(name) > 1} - _LISTS
    if repeated:
        raise InvalidInput(
            "A parameter was given twice.",
            errors=[FieldError(name[:100], "Give it once.") for name in sorted(repeated)],
        )
