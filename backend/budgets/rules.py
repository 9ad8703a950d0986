"""Pure rules of budgets."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from backend.budgets.models import BudgetType
from backend.errors import FieldError, InvalidInput

MAX_YEARS = 20

_MONTHS = {BudgetType.MONTHLY: 1, BudgetType.QUARTERLY: 3, BudgetType.ANNUAL: 12}


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


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or its last one where the month is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
