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
from api.schemas.rules import (
    HistoryIn,
    RuleChanges,
    RuleCreate,
    RuleListParams,
    RuleOrder,
    RuleOut,
    RulePatch,
    RulePreview,
    RulePreviewIn,
    RulesApplied,
)
from backend.ledger import rules
from backend.ledger.categorised_history import History, apply_rules, preview
from backend.ledger.rule_models import CategorisationRule
from backend.ledger.visibility import visible_account_ids
from backend.scope import Scope

router = APIRouter(prefix="/api/rules", tags=["rules"], route_class=Route)


@router.post("", status_code=201, responses=WRITE_RESPONSES)
async def create_rule(
    body: RuleCreate, scope: CurrentScope, session: Session, request: Request, response: Response
) -> RuleOut:
    """It is asked after all others, of what is booked from now on without a category."""
    rule = await rules.create_rule(session, scope, body.columns())
    response.headers["Location"] = str(request.url_for("get_rule", rule_id=rule.id).path)
    return (await _render(session, scope, [rule]))[0]


@router.get("")
async def list_rules(
    params: Annotated[RuleListParams, Query()], scope: CurrentScope, session: Session
) -> Page[RuleOut]:
    """In the order in which they are asked."""
    window = params.window(rules.IN_ORDER)
    rows = await rules.list_rules(session, scope, window)
    rendered = {r.id: r for r in await _render(session, scope, rows)}
    return page(rows, rules.IN_ORDER, window, lambda row: rendered[row.id])


@router.put("/order", status_code=204, responses=WRITE_RESPONSES)
async def reorder_rules(body: RuleOrder, scope: CurrentScope, session: Session) -> None:
    await rules.reorder_rules(session, scope, body.ids)


@router.post("/preview", responses=WRITE_RESPONSES)
async def preview_rule(body: RulePreviewIn, scope: CurrentScope, session: Session) -> RulePreview:
    """What a rule would do to history, before it is stored; nothing is changed."""
    rule = await rules.draft_rule(session, scope, body.rule.columns())
    return RulePreview.of(await preview(session, scope, rule, _history(body)))


@router.post("/apply", responses=WRITE_RESPONSES)
async def apply_categorisation_rules(
    body: HistoryIn, scope: CurrentScope, session: Session
) -> RulesApplied:
    """All active rules, in their order, to what is booked already."""
    changed = await apply_rules(session, scope, _history(body))
    return RulesApplied(
        changed=sum(changed.values()),
        rules=[RuleChanges(rule_id=i, changed=n) for i, n in sorted(changed.items())],
    )


@router.get("/{rule_id:uuid}", responses=READ_RESPONSES)
async def get_rule(rule_id: UUID, scope: CurrentScope, session: Session) -> RuleOut:
    rule = await rules.get_rule(session, scope, rule_id)
    return (await _render(session, scope, [rule]))[0]


@router.patch("/{rule_id:uuid}", responses=WRITE_RESPONSES)
async def update_rule(
    rule_id: UUID, body: RulePatch, expected: IfMatch, scope: CurrentScope, session: Session
) -> RuleOut:
    rule = await rules.update_rule(session, scope, rule_id, body.columns(), expected)
    return (await _render(session, scope, [rule]))[0]


@router.delete("/{rule_id:uuid}", status_code=204, responses=WRITE_RESPONSES)
async def delete_rule(
    rule_id: UUID, expected: IfMatch, scope: CurrentScope, session: Session
) -> None:
    """What it has categorised stays so."""
    await rules.delete_rule(session, scope, rule_id, expected)


@router.post("/{rule_id}/preview", responses=WRITE_RESPONSES)
async def preview_stored_rule(
    rule_id: UUID, body: HistoryIn, scope: CurrentScope, session: Session
) -> RulePreview:
    """What the rule would do to history; nothing is changed."""
    rule = await rules.get_rule(session, scope, rule_id)
    return RulePreview.of(await preview(session, scope, rule, _history(body)))


def _history(body: HistoryIn) -> History:
    return History(body.overwrite, body.from_date, body.to_date)


async def _render(
    session: AsyncSession, scope: Scope, rows: Sequence[CategorisationRule]
) -> list[RuleOut]:
    named = [row.account_id for row in rows if row.account_id is not None]
    accounts = await visible_account_ids(session, scope, named) if named else frozenset()
    return [RuleOut.of(row, accounts) for row in rows]
