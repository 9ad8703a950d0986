"""Which published generation an incremental refresh may start from, or why a full one is due."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adbc_driver_manager.dbapi import Cursor

from backend.warehouse.contents import Generation
from backend.warehouse.generation import DATABASE, read, resolve
from backend.warehouse.incremental.changed_keys import FORGOTTEN
from backend.warehouse.source_reader import one

# A merged row lies at the end, behind those that are stored in order. Fewer than DuckDB keeps
# together anyway are no drift.
DRIFT = 0.1
ROW_GROUP = 122_880

# Beyond this share a full refresh costs less; below so many rows nothing costs anything.
LARGE_CHANGE = 0.2
SMALL_LEDGER = 10_000


@dataclass(frozen=True, slots=True)
class Base:
    """`folder` is that of the generation; nothing in it is ever changed."""

    folder: Path
    generation: Generation

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    @property
    def snapshot(self) -> str:
        return self.generation.source.snapshot


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a snapshot is from: the server, its history, and the storage of its tables.

    The first two are None where the role may not read them.
    """

    system_identifier: str | None
    timeline: int | None
    storage: str


def find_base(warehouse: Path, code: str) -> Base | str:
    """The current generation, provided that the same `code` made it; else why it cannot serve."""
    folder = resolve(warehouse)
    if folder is None:
        return "There is no generation to start from."
    base = Base(folder, read(folder))
    if base.generation.code != code:
        return "The current generation was built by another version of the code."
    lines = sum(
        base.generation.tables.get(fact, 0) for fact in ("fct_transactions", "fct_cost_events")
    )
    if base.generation.merged > max(DRIFT * lines, ROW_GROUP):
        return "Too many rows lie out of their order since the last full refresh."
    return base


def why_not_since(base: Base, origin: Origin, cursor: Cursor) -> str | None:
    """Why what was written since the base cannot be told from the source; None when it can be.

    The cursor is in the transaction whose snapshot is read.
    """
    source = base.generation.source
    if origin.system_identifier is None:
        return "PostgreSQL does not tell which server it is."
    known = Origin(source.system_identifier, source.timeline, source.storage or "")
    if origin != known:
        return "PostgreSQL is another one than before, or was restored or truncated."
    (beyond,) = one(
        cursor,
        "SELECT pg_snapshot_xmax($1::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())",
        [base.snapshot],
    )
    if beyond:
        return "PostgreSQL is at an earlier transaction than before: it was restored."
    (forgotten,) = one(cursor, FORGOTTEN, [base.snapshot])
    if forgotten:
        return "What was deleted since the current generation is no longer known."
    return None


def is_large(changed_lines: int, lines: int) -> bool:
    return changed_lines > max(LARGE_CHANGE * lines, SMALL_LEDGER)
