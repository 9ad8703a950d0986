from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Receipts, Session
from api.dry_run import DryRun
from api.problems import READ_RESPONSES, WRITE_RESPONSES, described_headers
from api.routes import Route
from api.schemas.receipts import ReceiptOut, ReceiptParams
from backend.ledger import receipts
from backend.ledger.receipt_types import SUFFIXES

router = APIRouter(
    prefix="/api/transactions/{transaction_id}/receipt", tags=["receipts"], route_class=Route
)

_CONTENT: dict[str, Any] = {
    name: {"schema": {"type": "string", "format": "binary"}} for name in SUFFIXES
}
_DOCUMENT: dict[str, Any] = {
    "description": "The document.",
    "content": _CONTENT,
    "headers": described_headers({"ETag": "The SHA-256 of the document."}, always=True),
}
# The bytes as they are: a multipart body would differ between two tries of one request.
_FILE: dict[str, Any] = {"requestBody": {"required": True, "content": _CONTENT}}


@router.put("", responses=WRITE_RESPONSES, openapi_extra=_FILE)
async def put_receipt(
    *,
    transaction_id: UUID,
    params: Annotated[ReceiptParams, Query()],
    scope: CurrentScope,
    session: Session,
    files: Receipts,
    dry: DryRun,
    request: Request,
) -> ReceiptOut:
    """Keep a document with the transaction, in place of the one before.

    The body is the file itself; its content must be what `Content-Type` says.
    """
    upload = receipts.Upload(
        await request.body(), request.headers.get("Content-Type"), params.filename
    )
    row = await receipts.put_receipt(session, scope, files, transaction_id, upload, dry=dry)
    return ReceiptOut.model_validate(row)


@router.get(
    "",
    response_class=Response,
    responses=READ_RESPONSES | {200: _DOCUMENT},
)
async def download_receipt(
    transaction_id: UUID, scope: CurrentScope, session: Session, files: Receipts
) -> Response:
    receipt, content = await receipts.read_receipt(session, scope, files, transaction_id)
    return Response(
        content,
        media_type=receipt.content_type,
        headers={
            "Content-Disposition": _attachment(receipt.file_name),
            # Whatever else it may contain, no browser is to find out.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-cache",
            "ETag": f'"{receipt.sha256.hex()}"',
        },
    )


@router.delete("", status_code=204, responses=WRITE_RESPONSES)
async def delete_receipt(
    transaction_id: UUID, scope: CurrentScope, session: Session, files: Receipts
) -> None:
    await receipts.delete_receipt(session, scope, files, transaction_id)


def _attachment(name: str) -> str:
    """RFC 6266, with a plain name for those who cannot read the other."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
