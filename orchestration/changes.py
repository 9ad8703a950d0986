"""When an automatic refresh is due: after writes have settled, not too often, not too late.

Whether something was written is read from PostgreSQL's own counters of inserted, updated and
deleted rows. They cost nothing to keep, and deletes show too. They grow within seconds after a
commit, never before it, and a refresh reads them before it takes its snapshot: what the snapshot
came too early for makes them differ again. A rollback or a crash of the server may cause a refresh
for nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from adbc_driver_postgresql import dbapi
from pydantic import BaseModel

from backend.settings import Settings
from backend.warehouse.source_queries import TABLES

_COUNTERS = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del
FROM pg_stat_user_tables
WHERE schemaname = 'public'
ORDER BY relname
"""
_READ = {*(table.name for table in TABLES), "fx_rates"}  # the rates reach us as `fx_conversions`


@dataclass(frozen=True, slots=True)
class Source:
    """`written` differs whenever something that the extract reads was written."""

    written: str
    has_organizations: bool


def observe(url: str) -> Source:
    """`url` is libpq's, of the role outlay_extract."""
    with closing(dbapi.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute(_COUNTERS)
        counters = [row for row in cursor.fetchall() if row[0] in _READ]
        cursor.execute("SELECT EXISTS (SELECT FROM organizations)")
        (populated,) = cursor.fetchone()
    written = sha256(repr(counters).encode()).hexdigest()
    return Source(written, has_organizations=populated)


class Watch(BaseModel):
    """What the sensor remembers. Times are Unix seconds; `pending_since` is None when all is in."""

    seen: str | None = None
    changed_at: float = 0
    pending_since: float | None = None
    requested_at: float | None = None

    @classmethod
    def load(cls, cursor: str | None) -> Self:
        return cls() if cursor is None else cls.model_validate_json(cursor)


@dataclass(frozen=True, slots=True)
class Refreshes:
    """`published` is what `Source.written` was before the snapshot of the current generation."""

    published: str | None
    active: bool
    last_failed: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds; see the settings of the same names."""

    settle: float
    min_interval: float
    max_wait: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.refresh_settle_seconds,
            settings.refresh_min_interval_seconds,
            settings.refresh_max_wait_seconds,
        )

    @property
    def after_failure(self) -> float:
        """What made one refresh fail will often make the next one fail."""
        return min(self.max_wait, 5 * self.min_interval)


@dataclass(frozen=True, slots=True)
class Decision:
    watch: Watch
    refresh: bool
    reason: str


def decide(watch: Watch, source: Source, refreshes: Refreshes, pace: Pace, now: float) -> Decision:
    """What one tick of the sensor remembers and does."""
    watch = watch.model_copy()
    if watch.seen != source.written:
        watch.seen, watch.changed_at = source.written, now
    if source.written == refreshes.published:
        watch.pending_since = None
    elif watch.pending_since is None:
        watch.pending_since = now
    reason = _reason_to_wait(watch, source, refreshes, pace, now)
    if reason is not None:
        return Decision(watch, refresh=False, reason=reason)
    watch.pending_since, watch.requested_at = None, now
    return Decision(watch, refresh=True, reason="The source has changed.")


def _reason_to_wait(
    watch: Watch, source: Source, refreshes: Refreshes, pace: Pace, now: float
) -> str | None:
    if watch.pending_since is None:
        return "The current generation has all that was written."
    if not source.has_organizations:
        return "There is no organization yet."
    if refreshes.active:
        return "A refresh is under way."
    interval = pace.after_failure if refreshes.last_failed else pace.min_interval
    if watch.requested_at is not None and now - watch.requested_at < interval:
        return f"The last refresh was asked for {now - watch.requested_at:.0f} s ago."
    overdue = now - watch.pending_since >= pace.max_wait
    if now - watch.changed_at < pace.settle and not overdue:
        return "Writes have not settled yet."
    return None
