from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.dry_run import DryRun
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.imports import ImportListParams, ImportOut, ImportParams, ImportReport
from backend.errors import FieldError, InvalidInput
from backend.imports import queries
from backend.imports.service import Upload, import_file

router = APIRouter(prefix="/api/imports", tags=["imports"], route_class=Route)

# The bytes as they are: a multipart body would differ between two tries of one request.
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, whatever its `Content-Type`; no multipart form.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201, responses=WRITE_RESPONSES, openapi_extra=_FILE)
async def create_import(
    *,
    params: Annotated[ImportParams, Query()],
    scope: CurrentScope,
    session: Session,
    dry: DryRun,
    request: Request,
    response: Response,
) -> ImportReport:
    """Import a bank's CSV, OFX/QFX or CAMT.053 file, or a FOCUS file of cloud costs.

    What was imported before is left out, so the same file twice adds nothing. With `dry_run` this
    is a preview. The columns of a CSV are guessed in a preview, and must be confirmed by sending
    its `mapping` back. Bad rows are reported with line, column and reason, and the others booked.
    """
    _refuse_form(request)
    upload = Upload(
        content=await request.body(),
        account_id=params.account_id,
        format=params.chosen_format(),
        mapping=params.parsed_mapping(),
        filename=params.filename,
        atomic=params.atomic,
    )
    report = await import_file(session, scope, upload, preview=dry)
    made = ImportReport.of(report)
    response.headers["Location"] = str(request.url_for("get_import", import_id=made.id).path)
    return made


def _refuse_form(request: Request) -> None:
    """A form around the file would be imported with it."""
    if request.headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        raise InvalidInput(
            "Send the file itself as the body, not a form (with curl: --data-binary @file).",
            errors=[FieldError("Content-Type", "A multipart body is not accepted.")],
        )


@router.get("")
async def list_imports(
    params: Annotated[ImportListParams, Query()], scope: CurrentScope, session: Session
) -> Page[ImportOut]:
    """Those into accounts that you may see; the newest first."""
    window = params.window(queries.NEWEST_FIRST)
    rows = await queries.list_imports(
        session, scope, window, account_id=params.account_id, format_=params.format
    )
    return page(rows, queries.NEWEST_FIRST, window, ImportOut.model_validate)


@router.get("/{import_id}", responses=READ_RESPONSES)
async def get_import(import_id: UUID, scope: CurrentScope, session: Session) -> ImportOut:
    return ImportOut.model_validate(await queries.get_import(session, scope, import_id))
