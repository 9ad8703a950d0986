"""Files of whole answers: asked for, watched, fetched by a link, cancelled or removed."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response

from api.deps import CurrentScope, Now, Session, State, StrangerLimit
from api.downloads import Download
from api.dry_run import DryRun
from api.paging import Page, page
from api.problems import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    described_headers,
    problem_response,
    problem_responses,
)
from api.routes import LaunchRoute, Route
from api.schemas.exports import ExportCreate, ExportListParams, ExportOut
from backend.analytics import exports
from backend.analytics.export_access import link_to, open_download, signature_of, status_at
from backend.analytics.export_links import signing_key, verify
from backend.analytics.export_queries import query_to_export
from backend.errors import Conflict, Forbidden, Gone, NotFound
from backend.warehouse.formats import Format

launches = APIRouter(prefix="/api/analytics/exports", tags=["exports"], route_class=LaunchRoute)
router = APIRouter(prefix=launches.prefix, tags=["exports"], route_class=Route)
links = APIRouter(
    prefix=launches.prefix, tags=["exports"], route_class=Route, dependencies=[StrangerLimit]
)

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE: dict[str, Any] = {
    "content": {f.media_type: _BINARY for f in Format if f.is_stream},
    "headers": described_headers(
        {"ETag": "Of the file: a file never changes.", "Accept-Ranges": "`bytes`."}, always=True
    ),
}
_DOWNLOAD_HEADERS = {
    # Whatever a cell may hold, no browser is to find out.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",  # the address is the key
}


@launches.post(
    "", status_code=202, responses=problem_responses(Forbidden, NotFound, Conflict, Gone)
)
async def request_export(
    *,
    body: ExportCreate,
    scope: CurrentScope,
    state: State,
    now: Now,
    request: Request,
    response: Response,
) -> ExportOut:
    """Write all rows of a query into a file; poll `Location` until it tells a `download_url`.

    The query is checked before it is accepted. When its turn comes, who you are and what you may
    see is read anew: if that is less than now, the export fails.
    """
    spec = await query_to_export(state.engine, state.warehouse, scope, body.query)
    name = _file_name(body.file_name or spec.dataset, body.format)
    export = await exports.request_export(
        state.engine,
        scope,
        state.launcher,
        exports.Wanted(spec, body.format, name),
        share=exports.Share(state.settings.exports_per_user, state.settings.export_bytes_per_user),
        now=now,
    )
    response.headers["Location"] = str(request.url_for("get_export", export_id=export.id).path)
    return ExportOut.of(export, status_at(export, now))


@router.get("")
async def list_exports(
    params: Annotated[ExportListParams, Query()], scope: CurrentScope, session: Session, now: Now
) -> Page[ExportOut]:
    """Your own, the newest first, as they stood last; links are given one by one."""
    window = params.window(exports.NEWEST_FIRST)
    rows = await exports.list_exports(session, scope, window, params.status)
    return page(
        rows, exports.NEWEST_FIRST, window, lambda row: ExportOut.of(row, status_at(row, now))
    )


@router.get("/{export_id}", responses=READ_RESPONSES)
async def get_export(
    export_id: UUID, scope: CurrentScope, state: State, now: Now, request: Request
) -> ExportOut:
    """How it stands; when it is done, with a new link to the file."""
    known = await exports.get_export(state.engine, scope, export_id, state.launcher, now)
    export = known.export
    link = link_to(state.settings, export, scope, now)
    url = None
    if link is not None:
        signed = {"expires": link.expires, "signature": signature_of(state.settings, link)}
        path = request.url_for("download_export", export_id=export_id).path
        url = f"{path}?{urlencode(signed)}"
    return ExportOut.of(export, status_at(export, now), note=known.note, download_url=url)


@router.delete("/{export_id}", status_code=204, responses=WRITE_RESPONSES)
async def end_export(
    *,
    export_id: UUID,
    scope: CurrentScope,
    session: Session,
    state: State,
    now: Now,
    dry: DryRun,
    background: BackgroundTasks,
) -> None:
    """Cancel it while it is under way; after that, remove it and its file."""
    export, was_under_way = await exports.end_export(session, scope, export_id, now)
    if not dry:  # after the answer, when all of this is committed
        root = state.settings.exports_dir
        background.add_task(
            exports.clean_up, state.launcher, root, export, was_under_way=was_under_way
        )


@links.get(
    "/{export_id}/download",
    response_class=Download,
    responses=problem_responses(Forbidden, NotFound, Gone)
    | {
        200: {"description": "The file."} | _FILE,
        206: {"description": "The part of it that `Range` names."} | _FILE,
        416: problem_response("Range not satisfiable"),
    },
)
async def download_export(
    export_id: UUID,
    expires: Annotated[str, Query(max_length=20, description="Seconds since 1970.")],
    signature: Annotated[str, Query(max_length=200)],
    state: State,
    now: Now,
) -> Download:
    """The file, to whoever has the link: it names who asked, and is good for some minutes."""
    link = verify(signing_key(state.settings), export_id, expires, signature, now)
    export, path = await open_download(state.engine, state.settings.exports_dir, link, now)
    return Download(
        path,
        media_type=Format(export.format).content_type,
        filename=export.file_name,
        headers=_DOWNLOAD_HEADERS,
    )


def _file_name(name: str, format_: Format) -> str:
    ending = f".{format_.extension}"
    return name if name.lower().endswith(ending) else f"{name}{ending}"
