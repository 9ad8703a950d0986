"""Booking up to ten thousand transactions in one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.deps import CurrentScope, Session
from api.faults import faults_of
from api.problems import WRITE_RESPONSES
from api.routes import Route
from api.schemas.transactions import TransactionCreate
from api.schemas.transactions_bulk import (
    Malformed,
    RowOut,
    TransactionBulk,
    TransactionBulkOut,
)
from backend.budgets.visibility import visible_budget_ids
from backend.errors import FieldError, InvalidInput
from backend.ledger.bulk import RowResult, create_transactions

router = APIRouter(prefix="/api", tags=["transactions"], route_class=Route)

Atomic = Annotated[
    bool, Query(description="All rows or none; false books those that can be booked.")
]
SkipDuplicates = Annotated[
    bool,
    Query(
        description="Leave out a row whose external id is booked already on its account, instead "
        "of failing it."
    ),
]


@router.post(
    "/transactions:bulk",
    status_code=201,
    responses=WRITE_RESPONSES
    | {200: {"model": TransactionBulkOut, "description": "Some rows failed (`atomic=false`)."}},
)
async def create_many_transactions(
    *,
    body: TransactionBulk,
    scope: CurrentScope,
    session: Session,
    response: Response,
    atomic: Atomic = True,
    skip_duplicates: SkipDuplicates = False,
) -> TransactionBulkOut:
    """Book up to 10,000 transactions, all of them or none.

    With `atomic=false` those that cannot be booked are reported and the others are booked: 201 when
    none failed, else 200. `errors[]` point into the body either way.
    """
    given = list(enumerate(body.rows()))
    malformed = [_malformed(n, row) for n, row in given if isinstance(row, Malformed)]
    if atomic and malformed:
        faults = [fault for result in malformed for fault in result.errors]
        raise InvalidInput("The request is not valid.", errors=faults)
    good = [(n, row) for n, row in given if isinstance(row, TransactionCreate)]
    booked = await create_transactions(
        session,
        scope,
        [row.model_dump() for _, row in good],
        atomic=atomic,
        skip_duplicates=skip_duplicates,
        budgets=await visible_budget_ids(session, scope, _budgets(row for _, row in good)),
    )
    placed = [_placed(result, n) for result, (n, _) in zip(booked, good, strict=True)]
    results = sorted([*malformed, *placed], key=lambda result: result.index)
    answer = _answer(results)
    response.status_code = 200 if answer.failed else 201
    return answer


def _malformed(index: int, row: Malformed) -> RowResult:
    faults = faults_of(row.errors, "body", "transactions", index)
    return RowResult(index, "failed", errors=faults)


def _placed(result: RowResult, index: int) -> RowResult:
    """The result of a row that was at `index` of the body."""
    if result.index == index:
        return result
    was, now = f"#/transactions/{result.index}/", f"#/transactions/{index}/"
    faults = [FieldError(now + e.pointer.removeprefix(was), e.detail) for e in result.errors]
    return RowResult(index, result.status, result.id, faults)


def _budgets(rows: Iterable[TransactionCreate]) -> set[UUID | None]:
    named = set()
    for row in rows:
        named.add(row.budget_id)
        named.update(split.budget_id for split in row.splits)
    return named


def _answer(results: Sequence[RowResult]) -> TransactionBulkOut:
    counts = Counter(result.status for result in results)
    return TransactionBulkOut(
        created=counts["created"],
        duplicates=counts["duplicate"],
        failed=counts["failed"],
        results=[RowOut.model_validate(result) for result in results],
    )
