"""Writing transactions: references, splits and tags are one booking, kept or refused as a whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.db.references import refuse
from backend.db.versions import Expected, require_version
from backend.errors import Conflict, FieldError, InvalidInput
from backend.identity.permissions import require_ledger_writer
from backend.ledger import booking_rules as rules
from backend.ledger.categorisation import categorised
from backend.ledger.models import Transaction, TransactionKind
from backend.ledger.splits import (
    Split,
    add_splits,
    add_tags,
    current_splits,
    replace_splits,
    replace_tags,
)
from backend.ledger.transaction_queries import NO_PARTS, Parts, get_transaction, load_parts
from backend.ledger.transaction_states import state_with, transaction_state
from backend.ledger.visibility import visible_account_ids
from backend.scope import Scope

_PLACES = ("account_id", "counter_account_id")
# What the rules hold against each other; of old rows the rest may change, whatever they are like.
_SHAPE = ("kind", *_PLACES, "date", "amount", "currency")


async def create_transaction(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> tuple[Transaction, Parts]:
    """Book a transaction from its columns, `tag_ids` and `splits`.

    Without a `currency` it is the account's.
    """
    require_ledger_writer(scope)
    (values,) = await categorised(session, scope, [values])
    known = await rules.look_up(session, scope, [values])
    refuse(rules.unknown(values, known))
    if values.get("currency") is None:
        values["currency"] = known.accounts[values["account_id"]]
    _refuse_misfits(rules.misfits(values))
    _refuse_closed(rules.on_closed_account(values, known))
    tag_ids: Sequence[UUID] = values.pop("tag_ids", ())
    splits: Sequence[Split] = values.pop("splits", ())
    transaction = Transaction(
        organization_id=scope.organization_id, created_by=scope.user_id, **values
    )
    session.add(transaction)
    await session.flush()
    await add_tags(session, transaction, tag_ids)
    await add_splits(session, transaction, splits)
    # Most bookings have no parts: theirs need not be asked for.
    plain = not (tag_ids or splits or transaction.counter_account_id)
    parts = NO_PARTS if plain else await load_parts(session, scope, [transaction])
    after = state_with(transaction, parts)
    await record(session, scope, "create", "transaction", transaction.id, after=after)
    return transaction, parts


async def update_transaction(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
    *,
    hidden_budgets: Collection[UUID] = (),
    kind: TransactionKind | None = None,
) -> Transaction:
    """Change what is named; `tag_ids` and `splits` replace what was there.

    `hidden_budgets` were shown as null: a null that is sent back for one of them changes nothing.
    One that is not of `kind` is not there.
    """
    require_ledger_writer(scope)
    changes = dict(changes)
    # The lock keeps the sum of the splits true against another change of the same transaction.
    transaction = await get_transaction(session, scope, transaction_id, kind=kind, lock=True)
    require_version(transaction, expected)
    before = await transaction_state(session, scope, transaction)
    if changes.get("kind", TransactionKind.TRANSFER) != TransactionKind.TRANSFER:
        changes.setdefault("counter_account_id", None)
    if await _hides_counter_account(session, scope, transaction, changes):
        del changes["counter_account_id"]
    if transaction.budget_id in hidden_budgets and changes.get("budget_id") is None:
        changes.pop("budget_id", None)
    known = await rules.look_up(session, scope, [changes])
    refuse(rules.unknown(changes, known))
    moved = {n: to for n in _PLACES if (to := changes.get(n)) != getattr(transaction, n)}
    _refuse_closed(rules.on_closed_account(moved, known))
    tag_ids: Sequence[UUID] | None = changes.pop("tag_ids", None)
    splits: Sequence[Split] | None = changes.pop("splits", None)
    if changes.get("category_id", transaction.category_id) != transaction.category_id:
        changes = {"auto_categorised": False, "confidence": None} | changes
    current = await current_splits(session, transaction)
    amounts = [{"amount": s.amount} for s in current] if splits is None else splits
    if splits is not None or changes.keys() & set(_SHAPE):
        shape = {name: changes.get(name, getattr(transaction, name)) for name in _SHAPE}
        _refuse_misfits(rules.misfits(shape | {"splits": amounts}))
    for name, value in changes.items():
        setattr(transaction, name, value)
    transaction.updated_at = func.now()  # tags and splits are part of it
    await session.flush()
    if tag_ids is not None:
        await replace_tags(session, transaction, tag_ids)
    if splits is not None:
        await replace_splits(session, transaction, current, splits, hidden_budgets)
    await session.refresh(transaction)
    after = await transaction_state(session, scope, transaction)
    await record(
        session, scope, "update", "transaction", transaction_id, before=before, after=after
    )
    return transaction


async def delete_transaction(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    expected: Expected = None,
    *,
    kind: TransactionKind | None = None,
) -> None:
    """Out of every figure and list; the row stays, so that it can be restored."""
    require_ledger_writer(scope)
    transaction = await get_transaction(session, scope, transaction_id, kind=kind, lock=True)
    require_version(transaction, expected)
    before = await transaction_state(session, scope, transaction)
    transaction.deleted_at = func.now()
    await session.flush()
    await record(session, scope, "delete", "transaction", transaction_id, before=before)


async def restore_transaction(
    session: AsyncSession,
    scope: Scope,
    transaction_id: UUID,
    *,
    kind: TransactionKind | None = None,
) -> Transaction:
    """Back into every figure and list; `NotFound` when it is not deleted.

    Its external id may have been taken since: PostgreSQL refuses that as it refuses a second one.
    """
    require_ledger_writer(scope)
    transaction = await get_transaction(
        session, scope, transaction_id, kind=kind, deleted=True, lock=True
    )
    before = await transaction_state(session, scope, transaction)
    transaction.deleted_at = None
    await session.flush()
    await session.refresh(transaction)
    after = await transaction_state(session, scope, transaction)
    await record(
        session, scope, "restore", "transaction", transaction_id, before=before, after=after
    )
    return transaction


def _refuse_misfits(errors: Sequence[FieldError]) -> None:
    if errors:
        raise InvalidInput("The values do not fit together.", errors=errors)


def _refuse_closed(errors: Sequence[FieldError]) -> None:
    if errors:
        raise Conflict("A closed account takes no new transactions.", errors=errors)


async def _hides_counter_account(
    session: AsyncSession, scope: Scope, transaction: Transaction, changes: dict[str, Any]
) -> bool:
    """Whether `null` only repeats what the caller was shown of an account they may not see."""
    current = transaction.counter_account_id
    if current is None or "counter_account_id" not in changes or changes["counter_account_id"]:
        return False
    if changes.get("kind", transaction.kind) != TransactionKind.TRANSFER:
        return False  # what is no transfer has no counter account
    return current not in await visible_account_ids(session, scope, [current])
