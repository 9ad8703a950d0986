"""Pure rules of budgets: their periods, status, condition, and what one period leaves the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from backend.budgets.models import BudgetType, RolloverPolicy
from backend.errors import FieldError, InvalidInput
from backend.periods import add_months

MAX_YEARS = 20

_MONTHS = {BudgetType.MONTHLY: 1, BudgetType.QUARTERLY: 3, BudgetType.ANNUAL: 12}


class BudgetStatus(StrEnum):
    ARCHIVED = "archived"
    PENDING = "pending"
    OVER_BUDGET = "over_budget"
    ACTIVE = "active"
    COMPLETED = "completed"
    UNDER_BUDGET = "under_budget"


class Condition(StrEnum):
    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    EXCEEDED = "exceeded"


@dataclass(frozen=True, slots=True)
class Period:
    """Both days are included."""

    starts_on: date
    ends_on: date


def periods(type_: BudgetType, starts_on: date, ends_on: date) -> list[Period]:
    """The periods that the days of a budget fall into, without gap or overlap.

    A recurring type starts one every month, quarter or year after `starts_on`; the last one ends
    with the budget. Any other type is one period. More than `MAX_YEARS` are `InvalidInput`.
    """
    if ends_on >= add_months(starts_on, 12 * MAX_YEARS):
        raise InvalidInput(
            "The budget is too long.",
            errors=[FieldError("#/ends_on", f"Must lie within {MAX_YEARS} years of `starts_on`.")],
        )
    step = _MONTHS.get(type_)
    if step is None:
        return [Period(starts_on, ends_on)]
    found: list[Period] = []
    start = starts_on
    while start <= ends_on:
        # Counted from the first day each time: from 31 January on, the months begin on
        # 28 February and 31 March.
        following = add_months(starts_on, step * (len(found) + 1))
        found.append(Period(start, min(following - timedelta(days=1), ends_on)))
        start = following
    return found


def status(
    *, archived: bool, span: Period, allocated: Decimal, spent: Decimal, today: date
) -> BudgetStatus:
    """Where a budget of the days `span` stands; `allocated` and `spent` are the current period's.

    The first that holds: archived; pending, before its first day; over budget, spent more than
    allocated; active, while it runs; afterwards completed with nothing left, or under budget.
    """
    if archived:
        return BudgetStatus.ARCHIVED
    if today < span.starts_on:
        return BudgetStatus.PENDING
    if spent > allocated:
        return BudgetStatus.OVER_BUDGET
    if today <= span.ends_on:
        return BudgetStatus.ACTIVE
    return BudgetStatus.COMPLETED if spent == allocated else BudgetStatus.UNDER_BUDGET


def condition(
    *, allocated: Decimal, spent: Decimal, warning_threshold: int, critical_threshold: int
) -> Condition:
    """Exceeded above the amount; critical and warning from their threshold (percent) on."""
    if spent > allocated:
        return Condition.EXCEEDED
    # Multiplied, not divided: a budget of nothing of which nothing is spent is healthy.
    if spent > 0 and spent * 100 >= allocated * critical_threshold:
        return Condition.CRITICAL
    if spent > 0 and spent * 100 >= allocated * warning_threshold:
        return Condition.WARNING
    return Condition.HEALTHY


def utilisation(allocated: Decimal, spent: Decimal) -> Decimal | None:
    """Percent of the amount that is spent; None of a budget of nothing, or less."""
    return spent * 100 / allocated if allocated > 0 else None


def carried_over(policy: RolloverPolicy, balance: Decimal, cap: Decimal | None = None) -> Decimal:
    """What a period that ends with `balance` (negative: overspent) leaves the next one.

    `capped` carries both kinds, up to `cap` either way.
    """
    if policy is RolloverPolicy.SURPLUS:
        return max(balance, Decimal(0))
    if policy is RolloverPolicy.DEFICIT:
        return min(balance, Decimal(0))
    if policy is RolloverPolicy.BOTH:
        return balance
    if policy is RolloverPolicy.CAPPED:
        limit = cap or Decimal(0)
        return max(-limit, min(balance, limit))
    return Decimal(0)
