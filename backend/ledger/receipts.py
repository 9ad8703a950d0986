"""The receipt of a transaction: one document, replaced or taken away as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.errors import NotFound
from backend.identity.permissions import require_ledger_writer
from backend.ledger import receipt_files
from backend.ledger.receipt_files import ReceiptFiles
from backend.ledger.receipt_models import Receipt
from backend.ledger.receipt_types import content_type_of, safe_name
from backend.ledger.transaction_queries import get_transaction
from backend.scope import Scope


@dataclass(frozen=True, slots=True)
class Upload:
    """What a caller sends, and what they say of it."""

    content: bytes
    content_type: str | None
    file_name: str | None


async def put_receipt(
    session: AsyncSession,
    scope: Scope,
    files: ReceiptFiles,
    transaction_id: UUID,
    upload: Upload,
    *,
    dry: bool = False,
) -> Receipt:
    """Keep it with the transaction, in place of the one before. A `dry` run writes no file."""
    require_ledger_writer(scope)
    transaction = await get_transaction(session, scope, transaction_id, lock=True)
    content_type = content_type_of(upload.content, upload.content_type)
    key = receipt_files.new_key(scope.organization_id)
    if not dry:
        receipt_files.remove_on_rollback(session, files, key)
        await receipt_files.write(files, key, upload.content)
    receipt = await _find(session, scope, transaction_id)
    before = None if receipt is None else _state(receipt)
    if receipt is None:
        receipt = Receipt(organization_id=scope.organization_id, transaction_id=transaction_id)
        session.add(receipt)
    else:
        receipt_files.remove_after_commit(session, files, receipt.storage_key)
    receipt.file_name = safe_name(upload.file_name, content_type)
    receipt.content_type = content_type
    receipt.size = len(upload.content)
    receipt.sha256 = sha256(upload.content).digest()
    receipt.storage_key = key
    receipt.created_by = scope.user_id
    receipt.created_at = func.now()
    transaction.updated_at = func.now()  # its receipt is a part of it
    await session.flush()
    await session.refresh(receipt)
    action = "create" if before is None else "update"
    after = _state(receipt)
    await record(session, scope, action, "receipt", receipt.id, before=before, after=after)
    return receipt


async def read_receipt(
    session: AsyncSession, scope: Scope, files: ReceiptFiles, transaction_id: UUID
) -> tuple[Receipt, bytes]:
    await get_transaction(session, scope, transaction_id)
    receipt = await _get_receipt(session, scope, transaction_id)
    return receipt, await receipt_files.read(files, receipt.storage_key)


async def load_receipts(
    session: AsyncSession, scope: Scope, transactions: Sequence[UUID]
) -> dict[UUID, Receipt]:
    """By transaction; the caller has seen to it that these may be seen."""
    found = await session.scalars(
        select(Receipt).where(
            Receipt.organization_id == scope.organization_id,
            Receipt.transaction_id.in_(transactions),
        )
    )
    return {receipt.transaction_id: receipt for receipt in found}


async def _get_receipt(session: AsyncSession, scope: Scope, transaction_id: UUID) -> Receipt:
    receipt = await _find(session, scope, transaction_id)
    if receipt is None:
        raise NotFound("The transaction has no receipt.")
    return receipt


async def delete_receipt(
    session: AsyncSession, scope: Scope, files: ReceiptFiles, transaction_id: UUID
) -> None:
    require_ledger_writer(scope)
    transaction = await get_transaction(session, scope, transaction_id, lock=True)
    receipt = await _get_receipt(session, scope, transaction_id)
    before = _state(receipt)
    receipt_files.remove_after_commit(session, files, receipt.storage_key)
    await session.delete(receipt)
    transaction.updated_at = func.now()
    await session.flush()
    await record(session, scope, "delete", "receipt", receipt.id, before=before)


async def stored_keys(session: AsyncSession, organization_id: UUID) -> Sequence[str]:
    statement = select(Receipt.storage_key).where(Receipt.organization_id == organization_id)
    return (await session.scalars(statement)).all()


async def _find(session: AsyncSession, scope: Scope, transaction_id: UUID) -> Receipt | None:
    return await session.scalar(
        select(Receipt).where(
            Receipt.organization_id == scope.organization_id,
            Receipt.transaction_id == transaction_id,
        )
    )


def _state(receipt: Receipt) -> dict[str, Any]:
    return state_of(receipt, "sha256") | {"sha256": receipt.sha256.hex()}
