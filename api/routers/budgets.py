from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import CurrentScope, Session
from api.paging import Page, page
from api.preconditions import IfMatch
from api.problems import READ_RESPONSES, WRITE_RESPONSES
from api.routes import Route
from api.schemas.accounts import Shares
from api.schemas.budgets import (
    BudgetCreate,
    BudgetDetail,
    BudgetListParams,
    BudgetOut,
    BudgetPatch,
    BudgetReplace,
)
from backend.budgets import queries, service
from backend.budgets.matching import budget_rules
from backend.budgets.models import Budget
from backend.budgets.standing import standing, standings, today_of
from backend.budgets.visibility import visible_budget_ids
from backend.db.keyset import Window
from backend.db.references import Reference, refuse, unknown_references
from backend.identity.permissions import require_ledger_writer
from backend.ledger.deleted import let_go
from backend.ledger.models import Account, Category, Tag, Transaction, TransactionSplit
from backend.ledger.visibility import (
    visible_account_ids,
    visible_accounts,
    visible_categories,
    visible_tags,
)
from backend.scope import Scope

router = APIRouter(prefix="/api/budgets", tags=["budgets"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_budget(
    body: BudgetCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> BudgetDetail:
    """Its periods are made ahead; a child fits into the periods and the amount of its parent."""
    await _refuse_unknown(session, scope, body)
    budget = await service.create_budget(session, scope, body.model_dump())
    response.headers["Location"] = str(request.url_for("get_budget", budget_id=budget.id).path)
    return await render_budget(session, scope, budget)


@router.get("", responses=READ_RESPONSES)
async def list_budgets(
    params: Annotated[BudgetListParams, Query()], scope: CurrentScope, session: Session
) -> Page[BudgetOut]:
    """By name; `parent_id` makes the tree."""
    window = params.window(queries.BUDGETS_BY_NAME)
    rows = await _filtered(session, scope, window, params)
    parents = await visible_budget_ids(session, scope, [row.parent_id for row in rows])
    stand = await standings(session, scope, rows, today_of(scope))
    return page(
        rows, queries.BUDGETS_BY_NAME, window, lambda row: BudgetOut.of(stand[row.id], parents)
    )


@router.get("/{budget_id:uuid}", responses=READ_RESPONSES)
async def get_budget(budget_id: UUID, scope: CurrentScope, session: Session) -> BudgetDetail:
    return await render_budget(session, scope, await queries.get_budget(session, scope, budget_id))


@router.put("/{budget_id:uuid}", responses=WRITE_RESPONSES)
async def replace_budget(
    budget_id: UUID,
    body: BudgetReplace,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> BudgetDetail:
    """The whole budget anew, as PATCH with every field."""
    await _refuse_unknown(session, scope, body)
    seen = await _seen_accounts(session, scope, budget_id)
    budget = await service.replace_budget(
        session, scope, budget_id, body.model_dump(), expected, seen_accounts=seen
    )
    return await render_budget(session, scope, budget)


@router.patch("/{budget_id:uuid}", responses=WRITE_RESPONSES)
async def update_budget(
    budget_id: UUID,
    body: BudgetPatch,
    expected: IfMatch,
    scope: CurrentScope,
    session: Session,
) -> BudgetDetail:
    """Change what is named. Periods whose days stay keep what was moved into or carried over.

    With another `parent_id` the budget moves with all below it.
    """
    await _refuse_unknown(session, scope, body)
    seen = await _seen_accounts(session, scope, budget_id)
    changes = body.model_dump(exclude_unset=True)
    budget = await service.update_budget(
        session, scope, budget_id, changes, expected, seen_accounts=seen
    )
    return await render_budget(session, scope, budget)


@router.delete("/{budget_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def delete_budget(
    budget_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """Only while it has no children and nothing is booked on it (409); else archive it.

    Deleted transactions do not count: restored, they come back without a budget.
    """
    await service.own_budget(session, scope, budget_id, expected)
    await let_go(session, scope, Transaction.budget_id, budget_id)
    await let_go(session, scope, TransactionSplit.budget_id, budget_id)
    await service.delete_budget(session, scope, budget_id, expected)


@router.get("/{budget_id}/shares", responses=READ_RESPONSES)
async def list_budget_shares(budget_id: UUID, scope: CurrentScope, session: Session) -> Shares:
    return Shares(user_ids=list(await service.list_shares(session, scope, budget_id)))


@router.put("/{budget_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def share_budget(
    budget_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    """Show the budget and its figures to another member."""
    await service.share_budget(session, scope, budget_id, user_id)


@router.delete("/{budget_id}/shares/{user_id}", status_code=204, responses=WRITE_RESPONSES)
async def unshare_budget(
    budget_id: UUID, user_id: UUID, scope: CurrentScope, session: Session
) -> None:
    await service.unshare_budget(session, scope, budget_id, user_id)


async def render_budget(session: AsyncSession, scope: Scope, budget: Budget) -> BudgetDetail:
    rules = await budget_rules(session, scope, budget.id)
    accounts = [rule.account_id for rule in rules if rule.account_id is not None]
    return BudgetDetail.whole(
        await standing(session, scope, budget, today_of(scope)),
        await visible_budget_ids(session, scope, [budget.parent_id]),
        await queries.get_periods(session, budget),
        rules,
        await visible_account_ids(session, scope, accounts),
    )


async def _filtered(
    session: AsyncSession, scope: Scope, window: Window, params: BudgetListParams
) -> Sequence[Budget]:
    filters = queries.Filters(
        parent_id=params.parent_id,
        owner_id=params.owner_id,
        category_id=params.category_id,
        level=params.level,
        type=params.type,
        currency=params.currency,
        runs_on=params.runs_on,
        archived=params.archived,
        q=params.q,
    )
    if params.status is None and params.condition is None:
        return await queries.list_budgets(session, scope, window, filters)
    # Both are derived: only figures can tell which budgets they are.
    rows = await queries.list_budgets(session, scope, None, filters)
    stand = await standings(session, scope, rows, today_of(scope))
    among = [
        n
        for n, s in stand.items()
        if params.status in {None, s.status} and params.condition in {None, s.condition}
    ]
    return await queries.list_budgets(session, scope, window, filters, among=among)


async def _seen_accounts(session: AsyncSession, scope: Scope, budget_id: UUID) -> frozenset[UUID]:
    """The accounts in the budget's rules that the caller was shown."""
    rules = await budget_rules(session, scope, budget_id)
    accounts = [rule.account_id for rule in rules if rule.account_id is not None]
    return await visible_account_ids(session, scope, accounts)


async def _refuse_unknown(
    session: AsyncSession, scope: Scope, body: BudgetCreate | BudgetPatch
) -> None:
    require_ledger_writer(scope)  # before anything is told of what the request names
    categories: list[Reference] = []
    tags: list[Reference] = []
    accounts: list[Reference] = []
    if body.category_id is not None:
        categories.append(("#/category_id", body.category_id))
    for n, rule in enumerate(body.rules or ()):
        if rule.category_id is not None:
            categories.append((f"#/rules/{n}/category_id", rule.category_id))
        if rule.tag_id is not None:
            tags.append((f"#/rules/{n}/tag_id", rule.tag_id))
        if rule.account_id is not None:
            accounts.append((f"#/rules/{n}/account_id", rule.account_id))
    refuse(
        [
            *await unknown_references(
                session, Category.id, visible_categories(scope), categories, "category"
            ),
            *await unknown_references(session, Tag.id, visible_tags(scope), tags, "tag"),
            *await unknown_references(
                session, Account.id, visible_accounts(scope), accounts, "account"
            ),
        ]
    )
