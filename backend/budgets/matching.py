"""The rules by which expenses count in a budget without naming it.

PostgreSQL applies them (`budget_matching` in the migrations); here they are written and read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget, BudgetRule
from backend.errors import FieldError, Forbidden
from backend.scope import Scope

CONDITIONS = ("category_id", "tag_id", "account_id", "service", "region")

Rule = dict[str, Any]  # the conditions of a BudgetRule; those that are absent or None say nothing


async def budget_rules(
    session: AsyncSession, scope: Scope, budget_id: UUID
) -> Sequence[BudgetRule]:
    """The oldest first."""
    statement = select(BudgetRule).where(
        BudgetRule.organization_id == scope.organization_id, BudgetRule.budget_id == budget_id
    )
    # Triggers end rules that the session knows, and statements change them.
    fresh = statement.order_by(BudgetRule.id).execution_options(populate_existing=True)
    return (await session.scalars(fresh)).all()


async def set_rules(
    session: AsyncSession,
    scope: Scope,
    budget: Budget,
    rules: Sequence[Rule],
    seen_accounts: Collection[UUID] = frozenset(),
) -> None:
    """Make `rules` those of the budget; the ones that stay keep their place and their maker.

    A rule is the same as before when it is what the caller was shown of it, and accounts other than
    `seen_accounts` were not shown. Whoever does not write for the whole organization must name an
    account in a new rule: without one it would tell them what everybody spends.
    """
    left = [_conditions(rule) for rule in rules]
    gone = []
    for rule in await budget_rules(session, scope, budget.id):
        conditions = shown_rule(rule, seen_accounts)
        if conditions in left:
            left.remove(conditions)
        else:
            gone.append(rule.id)
    errors = [
        FieldError(f"#/rules/{n}/account_id", "Name one of your accounts.")
        for n, rule in enumerate(rules)
        if _conditions(rule) in left and rule.get("account_id") is None
    ]
    if errors and not scope.writes_organization:
        raise Forbidden(
            "Only a manager of the organization may match the expenses of every account.",
            errors=errors,
        )
    if gone:
        await session.execute(
            delete(BudgetRule).where(
                BudgetRule.organization_id == scope.organization_id, BudgetRule.id.in_(gone)
            )
        )
    session.add_all(
        BudgetRule(
            organization_id=budget.organization_id,
            budget_id=budget.id,
            created_by=scope.user_id,
            **conditions,
        )
        for conditions in left
    )
    await session.flush()


def shown_rule(rule: BudgetRule, seen_accounts: Collection[UUID]) -> Rule:
    """The conditions, without an account that is not among the seen ones."""
    shown = {name: getattr(rule, name) for name in CONDITIONS}
    if rule.account_id not in seen_accounts:
        shown["account_id"] = None
    return shown


async def rule_states(session: AsyncSession, scope: Scope, budget_id: UUID) -> list[Rule]:
    """For the record: every rule whole."""
    return [
        {name: value for name in CONDITIONS if (value := getattr(rule, name)) is not None}
        for rule in await budget_rules(session, scope, budget_id)
    ]


def _conditions(rule: Rule) -> Rule:
    return {name: rule.get(name) for name in CONDITIONS}
