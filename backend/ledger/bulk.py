"""Booking many transactions at once: checked in sets, written by COPY, audited in one statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, String, Uuid, and_, cast, column, func, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record_many
from backend.db.copying import insert_records, new_ids
from backend.db.references import among
from backend.errors import FieldError, InvalidInput
from backend.identity.permissions import require_ledger_writer
from backend.ledger import booking_rules as rules
from backend.ledger.categorisation import categorised
from backend.ledger.models import Transaction, TransactionSplit, TransactionStatus, TransactionTag
from backend.ledger.transaction_states import stored_transaction_states
from backend.scope import Scope

# Everything else is PostgreSQL's own.
_COLUMNS = [
    name
    for name in Transaction.__table__.columns.keys()  # noqa: SIM118  # a ColumnCollection is no dict
    if name
    not in {
        "organization_id",
        "created_by",
        "created_at",
        "updated_at",
        "changed_xid",
        "deleted_at",
    }
]
_DEFAULTS = {"status": TransactionStatus.PAID, "auto_categorised": False}
_SPLIT_COLUMNS = ("transaction_id", "amount", "category_id", "budget_id", "tag_id", "description")

Row = Mapping[str, Any]
ExternalKey = tuple[UUID, str]  # an account, and an external id on it


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of the row at `index`; `id` is its own, or that of the row it duplicates."""

    index: int
    status: Literal["created", "duplicate", "failed"]
    id: UUID | None = None
    errors: Sequence[FieldError] = ()


async def create_transactions(
    session: AsyncSession,
    scope: Scope,
    rows: Sequence[Row],
    *,
    atomic: bool = True,
    skip_duplicates: bool = False,
    budgets: Collection[UUID] | None = None,
) -> list[RowResult]:
    """Book `rows`, each what `TransactionCreate.model_dump()` gives; one result for each, in order.

    A row may have any other column of a transaction besides. `budgets` are those that rows may
    name; None where the caller has seen to that. With `atomic` one row that fails is `InvalidInput`
    for all, its faults under `#/transactions/{index}`; without it the others are booked. A row
    whose external id is taken in its account, or by a row before it, fails unless duplicates are
    to be skipped.
    """
    require_ledger_writer(scope)
    rows = await categorised(session, scope, rows)
    known = await rules.look_up(session, scope, rows, budgets)
    ids = await new_ids(session, len(rows))
    keys = [key for row in rows if (key := _external_key(row)) is not None]
    taken = await _taken(session, scope, keys)
    good, results = _decide(rows, ids, known, taken, skip_duplicates=skip_duplicates)
    _refuse_failed(results, atomic=atomic)
    if await _insert(session, scope, good, unique=not keys) < len(good):
        # Somebody booked one of these external ids since they were looked for.
        booked = await _taken(session, scope, keys)
        taken = {key: owner for key, owner in booked.items() if owner not in set(ids)}
        good, results = _decide(rows, ids, known, taken, skip_duplicates=skip_duplicates)
        _refuse_failed(results, atomic=atomic)
    await _insert_parts(session, good)
    await _audit(session, scope, good)
    return results


def _decide(
    rows: Sequence[dict[str, Any]],
    ids: Sequence[UUID],
    known: rules.Known,
    taken: Mapping[ExternalKey, UUID],
    *,
    skip_duplicates: bool,
) -> tuple[list[dict[str, Any]], list[RowResult]]:
    """The rows to book and what becomes of each row; they are given their `id` and `currency`."""
    owners = dict(taken)
    good, results = [], []
    for index, (row, identity) in enumerate(zip(rows, ids, strict=True)):
        row["id"] = identity
        faults = _faults(row, known, f"#/transactions/{index}")
        key = _external_key(row)
        if not faults and key in owners:
            if skip_duplicates:
                results.append(RowResult(index, "duplicate", owners[key]))
                continue
            faults = [
                FieldError(f"#/transactions/{index}/external_id", "Taken already on this account.")
            ]
        if faults:
            results.append(RowResult(index, "failed", errors=faults))
            continue
        if key is not None:
            owners[key] = identity
        good.append(row)
        results.append(RowResult(index, "created", identity))
    return good, results


def _faults(row: dict[str, Any], known: rules.Known, pointer: str) -> list[FieldError]:
    """What is wrong with `row`, which is given its account's currency where it names none."""
    if faults := rules.unknown(row, known, pointer):
        return faults
    if row.get("currency") is None:
        row["currency"] = known.accounts[row["account_id"]]
    return rules.misfits(row, pointer) + rules.on_closed_account(row, known, pointer)


def _refuse_failed(results: Iterable[RowResult], *, atomic: bool) -> None:
    errors = [error for result in results for error in result.errors]
    if atomic and errors:
        raise InvalidInput("Some transactions cannot be booked, so none was.", errors=errors)


def _external_key(row: Row) -> ExternalKey | None:
    external_id = row.get("external_id")
    return None if external_id is None else (row["account_id"], external_id)


async def _taken(
    session: AsyncSession, scope: Scope, keys: Sequence[ExternalKey]
) -> dict[ExternalKey, UUID]:
    """The transactions that have these external ids."""
    if not keys:
        return {}
    wanted = (
        func.unnest(
            literal([account for account, _ in keys], ARRAY(Uuid)),
            literal([external_id for _, external_id in keys], ARRAY(String)),
        )
        .table_valued(column("account_id", Uuid), column("external_id", String))
        .render_derived()
    )
    found = await session.execute(
        select(Transaction.account_id, Transaction.external_id, Transaction.id).join(
            wanted,
            and_(
                Transaction.organization_id == scope.organization_id,
                Transaction.account_id == wanted.c.account_id,
                Transaction.external_id == wanted.c.external_id,
                Transaction.external_id.is_not(None),
                Transaction.deleted_at.is_(None),
            ),
        )
    )
    return {(row.account_id, row.external_id): row.id for row in found}


async def _insert(session: AsyncSession, scope: Scope, rows: Sequence[Row], *, unique: bool) -> int:
    """How many were inserted: all of them, unless an external id was taken meanwhile."""
    names = [name for name in _COLUMNS if any(row.get(name) is not None for row in rows)]
    return await insert_records(
        session,
        Transaction.__table__,
        [*names, "created_by"],
        ([*_values(row, names), row.get("created_by", scope.user_id)] for row in rows),
        skip_existing=not unique,
    )


def _values(row: Row, names: Sequence[str]) -> list[Any]:
    return [_DEFAULTS.get(name) if (value := row.get(name)) is None else value for name in names]


async def _insert_parts(session: AsyncSession, rows: Sequence[Row]) -> None:
    tags = [(row["id"], tag) for row in rows for tag in dict.fromkeys(row.get("tag_ids") or ())]
    if tags:
        await insert_records(session, TransactionTag.__table__, ["transaction_id", "tag_id"], tags)
    splits = [
        (row["id"], *(split.get(name) for name in _SPLIT_COLUMNS[1:]))
        for row in rows
        for split in row.get("splits") or ()
    ]
    if splits:
        numbered = zip(await new_ids(session, len(splits)), splits, strict=True)
        await insert_records(
            session,
            TransactionSplit.__table__,
            ["id", *_SPLIT_COLUMNS],
            [(identity, *split) for identity, split in numbered],
        )


async def _audit(session: AsyncSession, scope: Scope, rows: Sequence[Row]) -> None:
    states = stored_transaction_states(
        tagged=any(row.get("tag_ids") for row in rows), split=any(row.get("splits") for row in rows)
    )
    booked = select(
        Transaction.id.label("object_id"),
        cast(null(), JSONB).label("before"),
        states.label("after"),
    ).where(
        Transaction.organization_id == scope.organization_id,
        among(Transaction.id, [row["id"] for row in rows]),
    )
    await record_many(session, scope, "create", "transaction", booked)
