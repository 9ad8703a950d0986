"""Which generations stay on disk, and removing the others; a crash leaves no half of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.warehouse.crash_points import CrashPoint, crash_point
from backend.warehouse.generation import discard, published, resolve, sweep

KEPT_LAST = 3
KEPT_FOR = timedelta(hours=1)
KEPT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Retained:
    """A generation on disk, with all of its files."""

    id: str
    created_at: datetime
    bytes: int


def to_prune(
    generations: Iterable[Retained], now: datetime, current: str, max_bytes: int
) -> list[str]:
    """Ids to delete, oldest first.

    Kept are the last three, those younger than an hour, and the last of each of seven UTC days; of
    these the oldest go while they take more than `max_bytes`. The current one always stays.
    """
    ordered = sorted(generations, key=lambda g: g.created_at)
    wanted = {current} | {g.id for g in ordered[-KEPT_LAST:]} | _last_of_days(ordered, now)
    kept = [g for g in ordered if g.id in wanted or now - g.created_at < KEPT_FOR]
    size = sum(g.bytes for g in kept)
    over_the_cap = set()
    for generation in kept:
        if size > max_bytes and generation.id != current:
            over_the_cap.add(generation.id)
            size -= generation.bytes
    staying = {g.id for g in kept} - over_the_cap
    return [g.id for g in ordered if g.id not in staying]


def _last_of_days(ordered: Sequence[Retained], now: datetime) -> set[str]:
    first_day = now.astimezone(UTC).date() - timedelta(days=KEPT_DAYS - 1)
    by_day = {g.created_at.astimezone(UTC).date(): g.id for g in ordered}
    return {identity for day, identity in by_day.items() if day >= first_day}


def prune(
    warehouse: Path, *, now: datetime, max_bytes: int, crash_at: CrashPoint | None = None
) -> list[str]:
    """Delete what need not stay and answer the ids; the caller is the sole builder.

    Whoever reads a pruned file keeps it until they close it.
    """
    sweep(warehouse)
    current = resolve(warehouse)
    if current is None:
        return []
    retained = [Retained(g.id, g.created_at, _size(warehouse / g.id)) for g in published(warehouse)]
    pruned = to_prune(retained, now, current.name, max_bytes)
    for identity in pruned:
        trash = discard(warehouse / identity)
        for file in trash.iterdir():
            file.unlink()
            crash_point(CrashPoint.PRUNE, crash_at)
        trash.rmdir()
    return pruned


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
