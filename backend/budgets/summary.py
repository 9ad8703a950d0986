"""The dashboard: all budgets that a caller sees, in a few figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.health import Band, band, weighted
from backend.budgets.models import Budget
from backend.budgets.rules import BudgetStatus, Condition
from backend.budgets.standing import Standing, standings
from backend.budgets.visibility import visible_budgets
from backend.money import round_amount
from backend.scope import Scope


@dataclass(frozen=True, slots=True)
class Summary:
    """Money is in the organization's base currency, at the rates of the day.

    Totals are of the `running` budgets: those whose period holds the day and that hang on no other
    visible one, since what is above holds what is below. `unconverted_budgets` are missing from the
    totals for want of a rate, and so are `unconverted_lines` within them.
    """

    day: date
    currency: str
    budgets: int
    running: int
    allocated: Decimal
    spent: Decimal
    committed: Decimal
    remaining: Decimal
    health_score: int | None
    health_band: Band | None
    by_status: dict[BudgetStatus, int]
    by_condition: dict[Condition, int]
    unconverted_budgets: int
    unconverted_currencies: list[str]
    unconverted_lines: int


async def summarize(session: AsyncSession, scope: Scope, today: date) -> Summary:
    rows = (await session.scalars(select(Budget).where(visible_budgets(scope)))).all()
    stand = await standings(session, scope, rows, today)
    topmost = await _topmost(session, scope, rows)
    running = [s for n, s in stand.items() if n in topmost and _runs(s, today)]
    rates = await _rates(session, scope, running, today)
    counted = [(s, rate) for s in running if (rate := rates[s.budget.currency]) is not None]
    allocated = _total(scope, [s.performance.allocated * rate for s, rate in counted])
    spent = _total(scope, [s.performance.spent * rate for s, rate in counted])
    committed = _total(scope, [s.performance.committed * rate for s, rate in counted])
    score = _score(counted)
    return Summary(
        day=today,
        currency=scope.base_currency,
        budgets=len(rows),
        running=len(running),
        allocated=allocated,
        spent=spent,
        committed=committed,
        remaining=allocated - spent - committed,
        health_score=score,
        health_band=None if score is None else band(score),
        by_status=dict.fromkeys(BudgetStatus, 0) | Counter(s.status for s in stand.values()),
        by_condition=dict.fromkeys(Condition, 0)
        | Counter(s.condition for s in stand.values() if s.status != BudgetStatus.ARCHIVED),
        unconverted_budgets=len(running) - len(counted),
        unconverted_currencies=sorted(code for code, rate in rates.items() if rate is None),
        unconverted_lines=sum(s.spending.unconverted for s, _ in counted),
    )


def _total(scope: Scope, amounts: Sequence[Decimal]) -> Decimal:
    return round_amount(sum(amounts, Decimal(0)), scope.base_currency)


def _runs(standing: Standing, today: date) -> bool:
    period = standing.allocation.period
    return standing.budget.archived_at is None and period.starts_on <= today <= period.ends_on


def _score(counted: Sequence[tuple[Standing, Decimal]]) -> int | None:
    """The mean of the running budgets' scores, by what they have; None without any."""
    weights = [(s.performance.allocated * rate, s) for s, rate in counted]
    if not any(weight > 0 for weight, _ in weights):
        return None
    return weighted([(Decimal(s.health.score), w) for w, s in weights if w > 0])


async def _topmost(session: AsyncSession, scope: Scope, rows: Sequence[Budget]) -> set[UUID]:
    """Those with no visible budget anywhere above them."""
    statement = select(Budget.id, Budget.parent_id).where(
        Budget.organization_id == scope.organization_id
    )
    above = {row.id: row.parent_id for row in await session.execute(statement)}
    # An archived budget counts nowhere, so it hides nothing either.
    holding = {row.id for row in rows if row.archived_at is None}
    topmost = set()
    for row in rows:
        parent = row.parent_id
        while parent is not None and parent not in holding:
            parent = above.get(parent)
        if parent is None:
            topmost.add(row.id)
    return topmost


async def _rates(
    session: AsyncSession, scope: Scope, running: Sequence[Standing], today: date
) -> dict[str, Decimal | None]:
    rates: dict[str, Decimal | None] = {}
    for currency in {s.budget.currency for s in running}:
        rates[currency] = await session.scalar(
            select(func.fx_rate(scope.organization_id, currency, scope.base_currency, today))
        )
    return rates
