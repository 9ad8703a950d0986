"""Balances of an account at the end of a day."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.balances import BalanceListParams, BalanceOut, BalancePut
from api.schemas.common import PlainDate
from backend.ledger import balances
from backend.ledger.queries import get_account

router = APIRouter(
    prefix="/api/accounts/{account_id}/balances", tags=["accounts"], route_class=Route
)


@router.get("", responses=READ_RESPONSES)
async def list_balances(
    account_id: UUID,
    params: Annotated[BalanceListParams, Query()],
    scope: CurrentScope,
    session: Session,
) -> Page[BalanceOut]:
    """The newest first."""
    account = await get_account(session, scope, account_id)
    window = params.window(balances.NEWEST_FIRST)
    rows = await balances.list_balances(
        session, scope, account, window, from_date=params.from_date, to_date=params.to_date
    )
    return page(rows, balances.NEWEST_FIRST, window, lambda row: BalanceOut.of(row, account))


@router.get("/{date}", responses=READ_RESPONSES)
async def get_balance(
    account_id: UUID, date: PlainDate, scope: CurrentScope, session: Session
) -> BalanceOut:
    account, snapshot = await balances.get_balance(session, scope, account_id, date)
    return BalanceOut.of(snapshot, account)


@router.put(
    "/{date}",
    responses=WRITE_RESPONSES | {201: {"model": BalanceOut, "description": "It is a new one."}},
)
async def put_balance(
    *,
    account_id: UUID,
    date: PlainDate,
    body: BalancePut,
    scope: CurrentScope,
    session: Session,
    response: Response,
) -> BalanceOut:
    """Say what the account held at the end of a day, today at the latest."""
    account, snapshot, is_new = await balances.put_balance(
        session, scope, account_id, date, body.balance
    )
    if is_new:
        response.status_code = 201
    return BalanceOut.of(snapshot, account)


@router.delete("/{date}", status_code=204, responses=WRITE_RESPONSES)
async def delete_balance(
    account_id: UUID, date: PlainDate, scope: CurrentScope, session: Session
) -> None:
    await balances.delete_balance(session, scope, account_id, date)
