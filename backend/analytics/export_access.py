"""Whether the asker of an export may still have it: when it is made, and when it is fetched."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.analytics.export_files import file_of
from backend.analytics.export_links import Link, sign, signing_key
from backend.analytics.models import Export, ExportStatus
from backend.analytics.rights import what_was_given_away, what_was_lost
from backend.db.outage import outages_explained, reachable_session
from backend.errors import Forbidden, Gone, NotFound
from backend.identity.models import ApiToken
from backend.identity.queries import Credential, load_scope
from backend.scope import Scope
from backend.settings import Settings

_UNKNOWN = "There is no such export."


async def scope_of_asker(engine: AsyncEngine, export: Export, now: datetime) -> Scope:
    """As PostgreSQL has it now; Forbidden, with a reason for them, when it is less than it was."""
    credential = Credential(
        export.requested_by, export.organization_id, api_token_id=export.api_token_id
    )
    with outages_explained():
        scope = await load_scope(engine, credential)
    if scope is None:
        raise Forbidden("You are not an active member of the organization any more.")
    if export.api_token_id is not None and not await _is_good(engine, export, now):
        raise Forbidden("The API token that asked for it is not valid any more.")
    lost = what_was_lost(export.rights, scope)
    if lost is None:
        async with reachable_session(engine, export.organization_id) as session:
            lost = await what_was_given_away(session, export.rights, scope)
    if lost is not None:
        raise Forbidden(lost)
    return scope


async def _is_good(engine: AsyncEngine, export: Export, now: datetime) -> bool:
    async with reachable_session(engine, export.organization_id) as session:
        token = await session.scalar(
            select(ApiToken).where(
                ApiToken.organization_id == export.organization_id,
                ApiToken.id == export.api_token_id,
            )
        )
    return (
        token is not None
        and token.revoked_at is None
        and (token.expires_at is None or token.expires_at > now)
        and set(token.scopes) != {"read"}
    )


def status_at(export: Export, now: datetime) -> ExportStatus:
    """A file is not handed out after its time, whether or not it was removed already."""
    status = ExportStatus(export.status)
    if status is ExportStatus.SUCCEEDED and export.expires_at and export.expires_at <= now:
        return ExportStatus.EXPIRED
    return status


def link_to(settings: Settings, export: Export, scope: Scope, now: datetime) -> Link | None:
    """None unless there is a file, and all that is in it may still be seen."""
    if status_at(export, now) is not ExportStatus.SUCCEEDED or export.expires_at is None:
        return None
    if what_was_lost(export.rights, scope) is not None:
        return None
    ends = min(now + timedelta(seconds=settings.export_link_ttl_seconds), export.expires_at)
    return Link(export.id, export.organization_id, export.requested_by, int(ends.timestamp()))


def signature_of(settings: Settings, link: Link) -> str:
    return sign(signing_key(settings), link)


async def open_download(
    engine: AsyncEngine, root: Path, link: Link, now: datetime
) -> tuple[Export, Path]:
    """The record and the file that a verified link opens.

    NotFound when the asker has left or has deleted it, Forbidden when they may see less by now,
    Gone when the file is not kept any more.
    """
    async with reachable_session(engine, link.organization_id) as session:
        export = await session.scalar(
            select(Export).where(
                Export.organization_id == link.organization_id,
                Export.id == link.export_id,
                Export.requested_by == link.user_id,
            )
        )
    if export is None:
        raise NotFound(_UNKNOWN)
    await scope_of_asker(engine, export, now)
    path = file_of(root, export.organization_id, export.id)
    if status_at(export, now) is not ExportStatus.SUCCEEDED or not path.is_file():
        raise Gone("The file is not kept any more. Ask for the export again.")
    return export, path
