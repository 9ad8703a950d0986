from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.accounts import AccountCreate, AccountListParams, AccountOut, AccountPatch, Shares
from backend.budgets.repercussions import matching_account, recorded
from backend.ledger import accounts, queries

router = APIRouter(prefix="/api/accounts", tags=["accounts"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_account(
    body: AccountCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> AccountOut:
    account = await accounts.create_account(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_account", account_id=account.id).path)
    return AccountOut.model_validate(account)


@router.get("")
async def list_accounts(
    params: Annotated[AccountListParams, Query()], scope: CurrentScope, session: Session
) -> Page[AccountOut]:
    """By name."""
    window = params.window(queries.ACCOUNTS_BY_NAME)
    rows = await queries.list_accounts(
        session,
        scope,
        window,
        type_=params.type,
        currency=params.currency,
        status=params.status,
        owner_id=params.owner_id,
        q=params.q,
    )
    return page(rows, queries.ACCOUNTS_BY_NAME, window, AccountOut.model_validate)


@router.get("/{account_id}", responses=READ_RESPONSES)
async def get_account(account_id: UUID, scope: CurrentScope, session: Session) -> AccountOut:
    return AccountOut.model_validate(await queries.get_account(session, scope, account_id))


@router.patch("/{account_id}", responses=WRITE_RESPONSES)
async def update_account(
    account_id: UUID,
    body: AccountPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> AccountOut:
    """Change what is named. An account is closed by its status: then it takes no transactions."""
    changes = body.changes()
    async with AsyncExitStack() as stack:
        if "owner_id" in changes:
            watched = matching_account(account_id)
            await stack.enter_async_context(recorded(session, scope, watched))
        account = await accounts.update_account(session, scope, account_id, changes, expected)
    return AccountOut.model_validate(account)


@router.delete("/{account_id}", status_code=204, responses=WRITE_RESPONSES)
async def delete_account(
    account_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Only without transactions, deleted ones too (409); with them an account is closed instead."""
    await accounts.delete_account(session, scope, account_id, expected)


@router.get("/{account_id}/shares", responses=READ_RESPONSES)
async def list_account_shares(account_id: UUID, scope: CurrentScope, session: Session) -> Shares:
    return Shares(user_ids=list(await accounts.list_shares(session, scope, account_id)))


@router.put("/{account_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def share_account(
    account_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    """Show the account and its transactions to another member."""
    await accounts.share_account(session, scope, account_id, user_id)


@router.delete("/{account_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def unshare_account(
    account_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    """The rules end by which the account was matched in their budgets."""
    async with recorded(session, scope, matching_account(account_id)):
        await accounts.unshare_account(session, scope, account_id, user_id)
