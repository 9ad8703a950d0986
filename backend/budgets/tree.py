"""The budget tree: who may change it at a time, and what must hold in it afterwards.

Whoever changes the tree (amounts, dates, places) holds the organization's trees alone; reservations
share them and lock the budgets from theirs up to the root, in the order of their ids. So nobody
waits for somebody who waits for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.visibility import visible_budget_ids
from backend.errors import FieldError, InvalidInput
from backend.money import format_amount
from backend.scope import Scope

# The key that the trigger `place_budget` takes too.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:organization AS text), 1))")
_SHARED = text(
    "SELECT pg_advisory_xact_lock_shared(hashtextextended(CAST(:organization AS text), 1))"
)


async def hold_trees(session: AsyncSession, scope: Scope) -> None:
    """Until the transaction ends, nobody else changes a tree or reserves in one."""
    await session.execute(_ALONE, {"organization": str(scope.organization_id)})


async def share_trees(session: AsyncSession, scope: Scope) -> None:
    """Until the transaction ends, nobody changes a tree; others may reserve."""
    await session.execute(_SHARED, {"organization": str(scope.organization_id)})


_PATH = text("""
WITH RECURSIVE up AS (
    SELECT id, parent_id, 0 AS distance FROM budgets
    WHERE organization_id = :organization AND id = :id
    UNION ALL
    SELECT b.id, b.parent_id, up.distance + 1
    FROM up
    JOIN budgets b ON b.organization_id = :organization AND b.id = up.parent_id
)
SELECT id FROM up ORDER BY distance
""")


async def path_to_root(session: AsyncSession, scope: Scope, budget_id: UUID) -> list[UUID]:
    """The budget and all above it, the root last; for rules to check, never for a caller to see."""
    values = {"organization": scope.organization_id, "id": budget_id}
    return list((await session.scalars(_PATH, values)).all())


_MISPLACED = text("""
SELECT c.id AS child_id, p.id AS parent_id, p.name, p.starts_on, p.ends_on, p.currency,
    c.currency <> p.currency AS other_currency,
    c.starts_on < p.starts_on AS too_early,
    c.ends_on > p.ends_on AS too_late,
    EXISTS (
        SELECT FROM budget_periods cp
        WHERE cp.organization_id = c.organization_id AND cp.budget_id = c.id
          AND NOT EXISTS (
                SELECT FROM budget_periods pp
                WHERE pp.organization_id = p.organization_id AND pp.budget_id = p.id
                  AND pp.starts_on <= cp.starts_on AND cp.ends_on <= pp.ends_on)
    ) AS straddles
FROM budgets c
JOIN budgets p ON p.organization_id = c.organization_id AND p.id = c.parent_id
WHERE c.organization_id = :organization AND c.archived_at IS NULL
  AND (c.id = ANY (CAST(:ids AS uuid[])) OR p.id = ANY (CAST(:ids AS uuid[])))
""")

# What was carried over was planned once already, in the period that it comes from.
_OVER_ALLOCATED = text("""
SELECT p.id AS budget_id, p.name, p.currency, pp.starts_on, pp.amount - pp.carried AS room,
    sum(cp.amount - cp.carried) AS wanted
FROM budgets p
JOIN budget_periods pp ON pp.organization_id = p.organization_id AND pp.budget_id = p.id
JOIN budgets c
    ON c.organization_id = p.organization_id AND c.parent_id = p.id AND c.archived_at IS NULL
JOIN budget_periods cp ON cp.organization_id = c.organization_id AND cp.budget_id = c.id
    AND pp.starts_on <= cp.starts_on AND cp.ends_on <= pp.ends_on
WHERE p.organization_id = :organization AND NOT p.allows_over_allocation
  AND (p.id = ANY (CAST(:ids AS uuid[])) OR p.id IN (
        SELECT parent_id FROM budgets
        WHERE organization_id = :organization AND id = ANY (CAST(:ids AS uuid[]))))
GROUP BY p.id, p.name, p.currency, pp.starts_on, pp.amount, pp.carried
HAVING sum(cp.amount - cp.carried) > pp.amount - pp.carried
ORDER BY pp.starts_on, p.id
""")

_OVER_COMMITTED = text("""
WITH RECURSIVE up AS (
    SELECT id, parent_id, name, currency FROM budgets
    WHERE organization_id = :organization AND id = ANY (CAST(:ids AS uuid[]))
    UNION
    SELECT b.id, b.parent_id, b.name, b.currency
    FROM up
    JOIN budgets b ON b.organization_id = :organization AND b.id = up.parent_id
), below AS (
    SELECT id AS top_id, id AS budget_id FROM up
    UNION ALL
    SELECT below.top_id, b.id
    FROM below
    JOIN budgets b ON b.organization_id = :organization AND b.parent_id = below.budget_id
)
SELECT up.id AS budget_id, up.name, up.currency, p.starts_on, p.amount AS room,
    sum(r.amount) AS wanted
FROM up
JOIN budget_periods p ON p.organization_id = :organization AND p.budget_id = up.id
JOIN below ON below.top_id = up.id
JOIN budget_reservations r ON r.organization_id = :organization
    AND r.budget_id = below.budget_id AND r.currency = up.currency
    AND r.expected_on BETWEEN p.starts_on AND p.ends_on
WHERE r.state = 'committed' AND (
        r.transaction_id IS NULL OR NOT counts_in_budget(r.transaction_id, r.budget_id))
   OR r.state = 'reserved' AND (r.expires_at IS NULL OR r.expires_at > now())
GROUP BY up.id, up.name, up.currency, p.starts_on, p.amount
HAVING sum(r.amount) > p.amount
ORDER BY p.starts_on, up.id
""")


Shortfalls = Mapping[tuple[UUID, date], Decimal]  # by budget and the first day of the period


async def over_committed(
    session: AsyncSession, scope: Scope, budget_ids: Iterable[UUID | None]
) -> Shortfalls:
    """By how much more is committed than there is, on these budgets and all above them."""
    ids = [budget_id for budget_id in budget_ids if budget_id is not None]
    values = {"organization": scope.organization_id, "ids": ids}
    return {
        (row.budget_id, row.starts_on): row.wanted - row.room
        for row in await session.execute(_OVER_COMMITTED, values)
    }


async def refuse_broken_trees(
    session: AsyncSession,
    scope: Scope,
    budget_ids: Iterable[UUID],
    fields: Collection[str],
    short: Shortfalls,
) -> None:
    """`InvalidInput` unless the trees hold around these budgets, as they are now in the database.

    Periods nest, currencies are one, children stay within their parent unless it allows more, and
    no more is committed than there is. Where that was so before the change, in `short`, it is only
    not to grow: or nothing that mends it a little could be done. A fault points at one of the
    `fields` that were given. What the caller may not see is neither named nor quantified.
    """
    ids = list(budget_ids)
    values = {"organization": scope.organization_id, "ids": ids}
    misplaced = (await session.execute(_MISPLACED, values)).all()
    over_allocated = (await session.execute(_OVER_ALLOCATED, values)).all()
    shorter = [
        row
        for row in await session.execute(_OVER_COMMITTED, values)
        if row.wanted - row.room > short.get((row.budget_id, row.starts_on), 0)
    ]
    visible = await visible_budget_ids(
        session,
        scope,
        [r.parent_id for r in misplaced] + [r.budget_id for r in (*over_allocated, *shorter)],
    )
    errors = [e for row in misplaced for e in _misplacements(row, fields, row.parent_id in visible)]
    amount = _pointer(fields, "amount", "parent_id", "allows_over_allocation", "starts_on", "type")
    for row in over_allocated:
        detail = (
            f"The children of “{row.name}” would come to {_money(row.wanted, row)} in the period "
            f"from {row.starts_on}, which has {_money(row.room, row)}."
            if row.budget_id in visible
            else "There is not enough room above this budget."
        )
        errors.append(FieldError(amount, detail))
    for row in shorter:
        detail = (
            f"{_money(row.wanted, row)} are committed on “{row.name}” in the period from "
            f"{row.starts_on}, which would have {_money(row.room, row)}."
            if row.budget_id in visible
            else "More is committed above this budget than there would be."
        )
        errors.append(FieldError(amount, detail))
    if errors:
        raise InvalidInput(
            "The budget does not fit into its tree.", errors=list(dict.fromkeys(errors))
        )


def _misplacements(row: Row[Any], fields: Collection[str], named: bool) -> list[FieldError]:  # noqa: FBT001  # private
    errors = []
    above = f"“{row.name}”" if named else "The budget above"
    if row.other_currency:
        detail = f"{above} is in {row.currency}." if named else f"{above} has another currency."
        errors.append(FieldError(_pointer(fields, "currency", "parent_id"), detail))
    if row.too_early:
        detail = f"{above} begins on {row.starts_on}." if named else f"{above} begins later."
        errors.append(FieldError(_pointer(fields, "starts_on", "parent_id"), detail))
    if row.too_late:
        detail = f"{above} ends on {row.ends_on}." if named else f"{above} ends sooner."
        errors.append(FieldError(_pointer(fields, "ends_on", "parent_id"), detail))
    if row.straddles and not (row.too_early or row.too_late):
        detail = f"The periods do not lie within those of {above if named else 'the budget above'}."
        errors.append(FieldError(_pointer(fields, "type", "starts_on", "parent_id"), detail))
    return errors


def _pointer(fields: Collection[str], *candidates: str) -> str:
    """The first candidate that the request gave, else what it could have given."""
    return f"#/{next((c for c in candidates if c in fields), candidates[0])}"


def _money(amount: Any, row: Row[Any]) -> str:  # noqa: ANN401  # a column of a row
    return f"{format_amount(amount, row.currency)} {row.currency}"
