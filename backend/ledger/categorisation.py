"""Which rule a transaction meets first: the one definition for new bookings and for history.

Left alone are transfers, which have no category, and what is split: its parts have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Numeric,
    TableValuedAlias,
    Text,
    Uuid,
    and_,
    case,
    column,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from backend.ledger.models import TransactionKind
from backend.ledger.rule_models import CategorisationRule, TextMatch
from backend.scope import Scope

CERTAIN = 100  # percent: somebody wrote the rule for just this


async def categorised(
    session: AsyncSession, scope: Scope, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Copies of `rows`, about to be booked, with the category of their rule where they have none.

    Transactions that come alone, in bulk, by import or by the calendar all pass here.
    """
    copies = [dict(row) for row in rows]
    chosen = [row for row in copies if _wants_category(row)]
    if not chosen:
        return copies
    given = _as_table(chosen)
    rule = CategorisationRule
    matches = await session.execute(
        select(given.c.number, rule.category_id)
        .join(rule, and_(active_rules(scope), meets(given.c)))
        .ext(distinct_on(given.c.number))
        .order_by(given.c.number, rule.position, rule.id)
    )
    for match in matches:
        chosen[match.number - 1].update(
            category_id=match.category_id, auto_categorised=True, confidence=CERTAIN
        )
    return copies


def active_rules(scope: Scope) -> ColumnElement[bool]:
    return and_(
        CategorisationRule.organization_id == scope.organization_id, CategorisationRule.active
    )


def meets(
    row: Any,  # noqa: ANN401  # whatever has these columns
    rule: Any = CategorisationRule,  # noqa: ANN401
) -> ColumnElement[bool]:
    """Whether every condition of `rule` holds of `row`. Text is compared without regard to case.

    They have the columns of the tables of transactions and of rules.
    """
    return and_(
        row.kind != TransactionKind.TRANSFER,
        or_(rule.kind.is_(None), rule.kind == row.kind),
        or_(rule.account_id.is_(None), rule.account_id == row.account_id),
        or_(rule.min_amount.is_(None), rule.min_amount <= row.amount),
        or_(rule.max_amount.is_(None), rule.max_amount >= row.amount),
        _reads(row.vendor, rule.vendor_match, rule.vendor_text),
        _reads(row.description, rule.description_match, rule.description_text),
    )


_LOOKED_AT: dict[str, Any] = {
    "vendor": Text,
    "description": Text,
    "amount": Numeric,
    "account_id": Uuid,
    "kind": Text,
}


def _as_table(rows: Sequence[dict[str, Any]]) -> TableValuedAlias:
    values = (literal([row.get(n) for row in rows], ARRAY(t)) for n, t in _LOOKED_AT.items())
    columns = (column(n, t) for n, t in _LOOKED_AT.items())
    return func.unnest(*values).table_valued(*columns, with_ordinality="number").render_derived()


def _wants_category(row: dict[str, Any]) -> bool:
    return (
        row.get("category_id") is None
        and not row.get("splits")
        and row["kind"] != TransactionKind.TRANSFER
    )


def _reads(value: Any, match: Any, wanted: Any) -> ColumnElement[bool]:  # noqa: ANN401
    # By functions, in which no character of the rule's text has a meaning of its own.
    text, part = func.lower(value), func.lower(wanted)
    return case(
        (match == TextMatch.EQUALS, text == part),
        (match == TextMatch.STARTS_WITH, func.starts_with(text, part)),
        (match == TextMatch.CONTAINS, func.strpos(text, part) > 0),
        else_=True,
    )
