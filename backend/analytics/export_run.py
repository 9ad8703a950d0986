"""What a worker does with an export: take it up, see who asks, write the file, say how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from uuid import UUID

import duckdb
import structlog
from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.analytics.export_access import scope_of_asker
from backend.analytics.export_files import file_of, remove, written
from backend.analytics.export_writing import Stopped, Writing, watched
from backend.analytics.exports import ACTOR, finish
from backend.analytics.models import Export, ExportStatus
from backend.analytics.rights import own_things, rights_of
from backend.analytics.stored_specs import compile_spec, problems_of, read_spec
from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.engine import create_engine, organization_session
from backend.db.locking import locked
from backend.errors import OutlayError, Unavailable
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.compiled import Paging
from backend.warehouse.failures import explained
from backend.warehouse.formats import Format
from backend.warehouse.generation import resolve
from backend.warehouse.open_generation import UNREADABLE, OpenGeneration, open_generation
from backend.warehouse.past import folder_as_of
from backend.warehouse.spec import QuerySpec

_REASON_LENGTH = 2000
_UNKNOWN = "It could not be written. The operator's log says why."

_log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: ExportStatus
    reason: str | None = None


def utc_now() -> datetime:
    return datetime.now(UTC)


async def run_export(
    settings: Settings,
    organization_id: UUID,
    export_id: UUID,
    run_id: UUID,
    clock: Clock = utc_now,
) -> ExportStatus | None:
    """How it ended; None when there was nothing to do. Nothing is left of a file that failed."""
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=2)
    try:
        export = await _take_up(engine, organization_id, export_id, run_id, clock())
        if export is None:
            return None
        return await _run(engine, settings, export, clock)
    finally:
        await engine.dispose()


async def _run(
    engine: AsyncEngine, settings: Settings, export: Export, clock: Clock
) -> ExportStatus:
    outcome = _Outcome(ExportStatus.SUCCEEDED)
    try:
        await _write(engine, settings, export, clock)
    except Stopped:
        return ExportStatus.CANCELLED  # the record says so, or is no more
    except OutlayError as error:
        outcome = _Outcome(ExportStatus.FAILED, _reason(error))
    except Exception:  # noqa: BLE001  # whatever it is, the record must not say that it goes on
        _log.exception("export failed", export_id=str(export.id))
        outcome = _Outcome(ExportStatus.FAILED, _UNKNOWN)
    if await _end(engine, settings, export, outcome, clock()):
        return outcome.status
    remove(settings.exports_dir, export.organization_id, export.id)  # cancelled at the last moment
    return ExportStatus.CANCELLED


async def _write(engine: AsyncEngine, settings: Settings, export: Export, clock: Clock) -> None:
    scope = await scope_of_asker(engine, export, clock())
    await _note_rights(engine, export, scope)
    spec = read_spec(export.spec)
    opened = _open(settings, spec)
    try:
        # What "last month" is was decided by who asked, and when.
        compiled = compile_spec(opened.datasets, spec, scope, export.created_at, all_rows(spec))
        source = opened.description.source
        writing = Writing(
            opened.connection.cursor(), settings.export_max_rows, settings.export_max_bytes
        )
        metadata = {"generation": opened.description.id, "as_of": source.taken_at.isoformat()}
        path = file_of(settings.exports_dir, export.organization_id, export.id)
        report = partial(_report, engine, export, writing, opened)
        with written(path) as file:
            write = partial(writing.write, compiled, Format(export.format), metadata, file)
            await watched(writing, write, report, settings)
    except duckdb.Error as error:
        raise explained(error, opened, settings) from None
    finally:
        opened.retire()


def all_rows(spec: QuerySpec) -> Paging:
    """To the end, unless the asker set a limit: the default one is for pages."""
    limit = spec.limit if "limit" in spec.model_fields_set else None
    return Paging(limit, spec.offset)


def _open(settings: Settings, spec: QuerySpec) -> OpenGeneration:
    """The generation that is current now, or that the query names; held to the end."""
    folder: Path | None = resolve(settings.warehouse_dir)
    if folder is None:
        raise Unavailable("There is no generation to export from.")
    if spec.as_of is not None:
        folder = folder_as_of(settings.warehouse_dir, spec.as_of, folder)
    try:
        return open_generation(folder, settings, Fraction(1))
    except UNREADABLE as error:
        _log.exception("generation unreadable", generation=folder.name)
        raise Unavailable(f"Generation {folder.name} cannot be read.") from error


async def _take_up(
    engine: AsyncEngine, organization_id: UUID, export_id: UUID, run_id: UUID, now: datetime
) -> Export | None:
    """None when it was cancelled or deleted, or another run has taken it up."""
    async with organization_session(engine, organization_id) as session:
        export = await session.scalar(
            locked(
                select(Export).where(
                    Export.organization_id == organization_id, Export.id == export_id
                )
            )
        )
        if export is None or export.status != ExportStatus.QUEUED:
            return None
        export.status = ExportStatus.RUNNING
        export.run_id = run_id
        export.started_at = now
        return export


async def _note_rights(engine: AsyncEngine, export: Export, scope: Scope) -> None:
    """The file will hold what they may see by now: who loses that later gets no file either."""
    async with organization_session(engine, export.organization_id) as session:
        await session.execute(
            update(Export)
            .where(Export.organization_id == export.organization_id, Export.id == export.id)
            .values(rights=rights_of(scope) | await own_things(session, scope))
        )


async def _report(
    engine: AsyncEngine, export: Export, writing: Writing, opened: OpenGeneration
) -> bool:
    """How far it is; False when the record says that it should not go on."""
    async with organization_session(engine, export.organization_id) as session:
        found = await session.execute(
            update(Export)
            .where(
                Export.organization_id == export.organization_id,
                Export.id == export.id,
                Export.status == ExportStatus.RUNNING,
            )
            .values(
                generation=opened.description.id,
                as_of=opened.description.source.taken_at,
                rows_written=writing.rows,
                rows_total=writing.rows_total,
                bytes=writing.size,
            )
        )
    return isinstance(found, CursorResult) and found.rowcount == 1


async def _end(
    engine: AsyncEngine,
    settings: Settings,
    export: Export,
    outcome: _Outcome,
    now: datetime,
) -> bool:
    """False when somebody else has said before how it ended."""
    async with organization_session(engine, export.organization_id) as session:
        row = await session.scalar(
            locked(
                select(Export).where(
                    Export.organization_id == export.organization_id, Export.id == export.id
                )
            )
        )
        if row is None or row.status != ExportStatus.RUNNING:
            return False
        before = state_of(row)
        finish(row, outcome.status, outcome.reason, now)
        if outcome.status is ExportStatus.SUCCEEDED:
            row.expires_at = now + timedelta(seconds=settings.export_retention_seconds)
        await session.flush()
        await record(session, ACTOR, "end", "export", row.id, before=before, after=state_of(row))
        return True


def _reason(error: OutlayError) -> str:
    if not error.errors:
        return error.detail[:_REASON_LENGTH]
    return " ".join(fault.detail for fault in problems_of(error))[:_REASON_LENGTH]
