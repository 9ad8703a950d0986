"""The generations before the current one: which of them is meant, and whether it is still there."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from backend.errors import FieldError, Gone, InvalidInput
from backend.warehouse.generation import DATABASE, GENERATION_ID, published, read


def is_retained(folder: Path) -> bool:
    return (folder / DATABASE).exists()


def folder_as_of(warehouse: Path, as_of: str, current: Path) -> Path:
    """The folder of a generation by its id, or of the latest whose source was read by an instant.

    Raises Gone for what is not kept any more.
    """
    if GENERATION_ID.fullmatch(as_of):
        folder = warehouse / as_of
        if folder.name <= current.name and is_retained(folder):
            return folder
        raise gone(warehouse, f"Generation {as_of} is not available any more.")
    moment = _instant(as_of)
    if _taken_at(current) <= moment:
        return current
    earlier = [g for g in published(warehouse) if g.source.taken_at <= moment]
    if not earlier:
        raise gone(warehouse, f"No generation is kept that is as old as {as_of}.")
    return warehouse / earlier[-1].id


def gone(warehouse: Path, detail: str, advice: str = "") -> Gone:
    """Names the oldest instant that can be asked for."""
    kept = published(warehouse)
    oldest = f" The oldest available is {_text(kept[0].source.taken_at)}." if kept else ""
    return Gone(
        f"{detail}{oldest}{advice}",
        errors=[FieldError("#/as_of", "Ask for a later instant, or for the present.")],
    )


@lru_cache(maxsize=4)
def _taken_at(folder: Path) -> datetime:
    return read(folder).source.taken_at


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            "The query is not valid.",
            errors=[FieldError("#/as_of", "must be an instant with its offset")],
        )
    return moment


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
