"""Importing a file into an account: read it, book what is new, and tell of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_ledger_writer
from backend.imports.booking import Outcome, book_movements
from backend.imports.contents import Fault, pointer
from backend.imports.focus import Costs
from backend.imports.mapping import Mapping
from backend.imports.models import Import
from backend.imports.reading import Reading, read
from backend.imports.sniffing import FileFormat
from backend.ledger.models import Account, AccountStatus, AccountType
from backend.ledger.queries import get_account
from backend.scope import Scope
from backend.usage.costs import book_costs

MAX_FAULTS_NAMED = 1000


@dataclass(frozen=True, slots=True)
class Upload:
    """`format` and `mapping` are None to have them found out."""

    content: bytes
    account_id: UUID
    format: FileFormat | None = None
    mapping: Mapping | None = None
    filename: str | None = None
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    record: Import
    reading: Reading
    duplicates: Sequence[tuple[int, UUID]]
    faults: Sequence[Fault]
    currency: str


async def import_file(
    session: AsyncSession, scope: Scope, upload: Upload, *, preview: bool = False
) -> Report:
    """Book the rows that can be read and are not there yet.

    `InvalidInput`, with nothing booked, when the file cannot be read, when no row of it can, and
    with `atomic` when any row cannot. A preview may guess the mapping; whoever asks for one takes
    its transaction back.
    """
    require_ledger_writer(scope)
    # Two imports into one account wait for each other, so that each sees what the other booked.
    account = await get_account(session, scope, upload.account_id, lock=True)
    if account.status == AccountStatus.CLOSED:
        raise InvalidInput(
            "Nothing can be imported.", errors=[FieldError("account_id", "The account is closed.")]
        )
    reading = await asyncio.to_thread(
        read,
        upload.content,
        upload.format,
        upload.mapping,
        account.currency,
        preview=preview,
        is_card=account.type == AccountType.CARD,
    )
    made = await _record(session, scope, upload, reading)
    if reading.movements is not None:
        outcome = await book_movements(session, scope, account, reading.movements)
    else:
        outcome = await _book_costs(session, scope, account, made, reading.costs or Costs())
    faults = sorted(outcome.faults, key=lambda fault: fault.line)
    _refuse(outcome, faults, atomic=upload.atomic)
    made.created, made.duplicates = outcome.created, len(outcome.duplicates)
    made.failed = len(faults)
    await session.flush()
    await session.refresh(made)
    await record(session, scope, "create", "import", made.id, after=state_of(made))
    return Report(made, reading, outcome.duplicates, faults, account.currency)


def _refuse(outcome: Outcome, faults: Sequence[Fault], *, atomic: bool) -> None:
    if not faults or not (atomic or outcome.created == len(outcome.duplicates) == 0):
        return
    detail = "Some rows cannot be imported, so none was." if atomic else "No row can be imported."
    raise InvalidInput(
        detail,
        errors=[
            FieldError(
                pointer(f.line, f.column),
                f.reason if f.value is None else f"{f.reason} ({f.value})",
            )
            for f in faults[:MAX_FAULTS_NAMED]
        ],
    )


async def _record(session: AsyncSession, scope: Scope, upload: Upload, reading: Reading) -> Import:
    made = Import(
        organization_id=scope.organization_id,
        account_id=upload.account_id,
        format=reading.format,
        filename=upload.filename,
        sha256=sha256(upload.content).hexdigest(),
        created=0,
        duplicates=0,
        failed=0,
        created_by=scope.user_id,
    )
    session.add(made)
    await session.flush()
    return made


async def _book_costs(
    session: AsyncSession, scope: Scope, account: Account, made: Import, costs: Costs
) -> Outcome:
    if account.type != AccountType.CLOUD:
        raise InvalidInput(
            "Cloud costs need a cloud account.",
            errors=[FieldError("account_id", f"This account is one of type {account.type}.")],
        )
    booked = await book_costs(
        session, scope, account.id, made.id, [row.values for row in costs.rows]
    )
    duplicates = [(costs.rows[place].line, identity) for place, identity in booked.existing.items()]
    return Outcome(booked.created, duplicates, costs.faults)
