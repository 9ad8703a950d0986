"""The generations that are kept, as a caller may know them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from backend.errors import Forbidden, Unavailable
from backend.scope import Scope
from backend.warehouse.checks import NoChecks, mart_rows_of, reconciliation_of
from backend.warehouse.contents import Generation
from backend.warehouse.generation import published, read, resolve
from backend.warehouse.past import folder_as_of, gone
from backend.warehouse.reconcile import Comparison

_REMEMBERED = 1024  # counts of an organization in a generation: they never change


@dataclass(frozen=True, slots=True)
class Retained:
    """`rows` are those of the caller's organization by mart; None for who does not see it whole,
    and where the generation does not know them.
    """

    description: Generation
    is_current: bool
    rows: Mapping[str, int] | None


async def retained_generations(warehouse: Path, scope: Scope) -> list[Retained]:
    """The newest first."""
    return await asyncio.to_thread(_retained, warehouse, scope)


async def reconciliation(
    warehouse: Path, scope: Scope, as_of: str | None = None
) -> tuple[Generation, list[Comparison]]:
    """Of the caller's organization, in the current generation or in another one that is kept.

    `as_of` is its id, or an instant by which its source was read.
    """
    if not scope.sees_whole_organization:
        raise Forbidden("A reconciliation is for those who see the whole organization.")
    return await asyncio.to_thread(_reconciliation, warehouse, scope.organization_id, as_of)


def _retained(warehouse: Path, scope: Scope) -> list[Retained]:
    generations = published(warehouse)
    return [
        Retained(
            description=generation,
            is_current=generation is generations[-1],
            rows=_rows(warehouse / generation.id, scope),
        )
        for generation in reversed(generations)
    ]


def _rows(folder: Path, scope: Scope) -> Mapping[str, int] | None:
    if not scope.sees_whole_organization:
        return None
    try:
        return _known_rows(folder, scope.organization_id)
    except NoChecks:  # pruned meanwhile, or of an earlier version
        return None


@lru_cache(maxsize=_REMEMBERED)
def _known_rows(folder: Path, organization_id: UUID) -> Mapping[str, int]:
    return mart_rows_of(folder, organization_id)


def _reconciliation(
    warehouse: Path, organization_id: UUID, as_of: str | None
) -> tuple[Generation, list[Comparison]]:
    folder = resolve(warehouse)
    if folder is None:
        raise Unavailable("There is no generation yet. Make one with POST /api/analytics/refresh.")
    if as_of is not None:
        folder = folder_as_of(warehouse, as_of, folder)
    try:
        return read(folder), reconciliation_of(folder, organization_id)
    except FileNotFoundError:
        raise gone(warehouse, f"Generation {folder.name} is not available any more.") from None
    except NoChecks:
        raise Unavailable(
            f"Generation {folder.name} does not keep its reconciliation: it was built by an "
            "earlier version. Make a new one with POST /api/analytics/refresh."
        ) from None
