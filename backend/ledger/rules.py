"""Categorisation rules: the words of the whole organization, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import references, refuse, unknown_references
from backend.db.versions import Expected, require_version
from backend.errors import FieldError, InvalidInput, NotFound
from backend.identity.permissions import require_organization_writer
from backend.ledger.models import Account, Category
from backend.ledger.rule_models import CategorisationRule
from backend.ledger.visibility import visible_accounts, visible_categories
from backend.scope import Scope

IN_ORDER = Order((CategorisationRule.position, CategorisationRule.id))
MAX_RULES = 1000

_LOCK_SPACE = 4  # beside those of budgets, categories and idempotency keys
_CONDITIONS = ("vendor_text", "description_text", "min_amount", "max_amount", "account_id", "kind")


async def list_rules(
    session: AsyncSession, scope: Scope, window: Window
) -> Sequence[CategorisationRule]:
    statement = select(CategorisationRule).where(_of(scope))
    return (await session.scalars(windowed(statement, IN_ORDER, window))).all()


async def get_rule(
    session: AsyncSession, scope: Scope, rule_id: UUID, *, lock: bool = False
) -> CategorisationRule:
    statement = select(CategorisationRule).where(_of(scope), CategorisationRule.id == rule_id)
    rule = await session.scalar(locked(statement) if lock else statement)
    if rule is None:
        raise NotFound("There is no such rule.")
    return rule


async def draft_rule(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> CategorisationRule:
    """A rule that is checked and not stored."""
    require_organization_writer(scope)
    rule = CategorisationRule(organization_id=scope.organization_id, **values)
    await _check(session, scope, rule)
    return rule


async def create_rule(
    session: AsyncSession, scope: Scope, values: dict[str, Any]
) -> CategorisationRule:
    """After all others."""
    require_organization_writer(scope)
    await _hold_order(session, scope)
    count, last = (
        await session.execute(
            select(func.count(), func.max(CategorisationRule.position)).where(_of(scope))
        )
    ).one()
    if count >= MAX_RULES:
        raise InvalidInput(f"There are {MAX_RULES} rules already.")
    rule = await draft_rule(session, scope, values)
    rule.position = (last or 0) + 1
    session.add(rule)
    await session.flush()
    await record(session, scope, "create", "categorisation_rule", rule.id, after=state_of(rule))
    return rule


async def update_rule(
    session: AsyncSession,
    scope: Scope,
    rule_id: UUID,
    changes: dict[str, Any],
    expected: Expected = None,
) -> CategorisationRule:
    rule = await _begin(session, scope, rule_id, expected)
    before = state_of(rule)
    with session.no_autoflush:
        for name, value in changes.items():
            setattr(rule, name, value)
        await _check(session, scope, rule)
    await session.flush()
    await session.refresh(rule)
    await record(
        session,
        scope,
        "update",
        "categorisation_rule",
        rule_id,
        before=before,
        after=state_of(rule),
    )
    return rule


async def delete_rule(
    session: AsyncSession, scope: Scope, rule_id: UUID, expected: Expected = None
) -> None:
    """What it has categorised stays so."""
    rule = await _begin(session, scope, rule_id, expected)
    before = state_of(rule)
    await session.delete(rule)
    await session.flush()
    await record(session, scope, "delete", "categorisation_rule", rule_id, before=before)


async def reorder_rules(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> None:
    """`ids` are all rules, each once, the first to be asked first."""
    require_organization_writer(scope)
    await _hold_order(session, scope)
    before = (
        await session.scalars(
            select(CategorisationRule.id)
            .where(_of(scope))
            .order_by(CategorisationRule.position, CategorisationRule.id)
        )
    ).all()
    if len(ids) != len(set(ids)) or set(ids) != set(before):
        raise InvalidInput(
            "The order is not complete.",
            errors=[FieldError("#/ids", "Name every rule, each once.")],
        )
    for position, rule_id in enumerate(ids, start=1):
        await session.execute(
            update(CategorisationRule)
            .where(
                _of(scope),
                CategorisationRule.id == rule_id,
                CategorisationRule.position != position,
            )
            .values(position=position)
        )
    await record(
        session,
        scope,
        "reorder",
        "categorisation_rules",
        scope.organization_id,
        before={"ids": [str(i) for i in before]},
        after={"ids": [str(i) for i in ids]},
    )


def _of(scope: Scope) -> ColumnElement[bool]:
    return CategorisationRule.organization_id == scope.organization_id


async def _hold_order(session: AsyncSession, scope: Scope) -> None:
    name = func.hashtextextended(str(scope.organization_id), _LOCK_SPACE)
    await session.execute(select(func.pg_advisory_xact_lock(name)))


async def _begin(
    session: AsyncSession, scope: Scope, rule_id: UUID, expected: Expected
) -> CategorisationRule:
    require_organization_writer(scope)
    rule = await get_rule(session, scope, rule_id, lock=True)
    require_version(rule, expected)
    return rule


async def _check(session: AsyncSession, scope: Scope, rule: CategorisationRule) -> None:
    row = {"account_id": rule.account_id, "category_id": rule.category_id}
    accounts = references("#", row, "account_id")
    categories = references("#", row, "category_id")
    refuse(
        [
            *await unknown_references(
                session, Account.id, visible_accounts(scope), accounts, "account"
            ),
            *await unknown_references(
                session, Category.id, visible_categories(scope), categories, "category"
            ),
        ]
    )
    faults = []
    if all(getattr(rule, name) is None for name in _CONDITIONS):
        faults.append(FieldError("#", "Name at least one condition."))
    if (
        rule.min_amount is not None
        and rule.max_amount is not None
        and rule.min_amount > rule.max_amount
    ):
        faults.append(FieldError("#/max_amount", "Must not be below `min_amount`."))
    if faults:
        raise InvalidInput("The rule is not complete.", errors=faults)
