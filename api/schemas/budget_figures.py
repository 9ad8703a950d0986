"""Answers about how budgets do."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.budget_parts import CurrentPeriod, Money, Percent, rounded
from api.schemas.common import Output, PlainDate
from backend.budgets.branches import Branch
from backend.budgets.health import Band, Health
from backend.budgets.lines import BudgetLine
from backend.budgets.models import AttributionRule, BudgetLevel
from backend.budgets.revisions import Revision
from backend.budgets.rules import BudgetStatus, Condition, Period, utilisation
from backend.budgets.standing import Standing
from backend.budgets.summary import Summary
from backend.money import format_amount, round_amount


class HealthPart(Output):
    name: str
    weight: int
    score: Percent = Field(description="0 to 100.")
    value: Percent | None = Field(description="The percentage, or the days, it was judged by.")
    reason: str


class HealthOut(Output):
    """The weighted mean of its parts; excellent from 90, good from 80, moderate from 60."""

    score: int = Field(ge=0, le=100)
    band: Band
    parts: list[HealthPart]

    @classmethod
    def of(cls, health: Health) -> Self:
        return cls(
            score=health.score,
            band=health.band,
            parts=[HealthPart.model_validate(part) for part in health.parts],
        )


class PerformanceOut(Output):
    budget_id: UUID
    name: str
    on: date
    status: BudgetStatus
    condition: Condition
    period: CurrentPeriod
    currency: str
    own_spent: Money = Field(description="On the budget itself; the rest is on those below it.")
    pending: Money = Field(description="The part of what is spent that is not paid yet.")
    overdue: Money = Field(description="The part of it that is pending for more than 30 days.")
    time_elapsed_percent: Percent
    spending_vs_time: Percent | None = Field(
        description="Points by which spending is ahead of time; negative when behind."
    )
    burn_rate: Money = Field(description="Spent per day of the period gone by.")
    projected_spend: Money = Field(description="At the end of the period, at this rate.")
    projected_variance: Money = Field(description="What would be left then; negative: missing.")
    days_elapsed: int
    days_left: int
    exhausted_on: date | None = Field(
        description="When what remains is used up at this rate; null when it lasts."
    )
    thresholds_reached: list[int]
    health: HealthOut

    @classmethod
    def of(cls, standing: Standing, on: date) -> Self:
        budget, figures, spending = standing.budget, standing.performance, standing.spending
        currency = budget.currency
        projected = round_amount(figures.projected_spend, currency)
        return cls(
            budget_id=budget.id,
            name=budget.name,
            on=on,
            status=standing.status,
            condition=standing.condition,
            period=CurrentPeriod.of(standing),
            currency=currency,
            own_spent=format_amount(spending.own, currency),
            pending=format_amount(spending.pending, currency),
            overdue=format_amount(spending.overdue, currency),
            time_elapsed_percent=figures.time_elapsed,
            spending_vs_time=figures.spending_vs_time,
            burn_rate=rounded(figures.burn_rate, currency),
            projected_spend=format_amount(projected, currency),
            projected_variance=format_amount(figures.allocated - projected, currency),
            days_elapsed=figures.days_elapsed,
            days_left=figures.days_left,
            exhausted_on=figures.exhausted_on,
            thresholds_reached=standing.thresholds_reached,
            health=HealthOut.of(standing.health),
        )


class BranchOut(Output):
    """Amounts are those of the whole tree's period; status and condition are the budget's own."""

    id: UUID
    parent_id: UUID | None = Field(description="Null for the top of this tree.")
    name: str
    level: BudgetLevel
    owner_id: UUID
    currency: str
    status: BudgetStatus
    condition: Condition
    allocated: Money
    unallocated: Money = Field(description="What is not given to budgets below it.")
    own_spent: Money
    spent: Money = Field(description="Its own and that of all below it.")
    committed: Money
    remaining: Money
    utilisation_percent: Percent | None
    unconverted: int
    children: list[BranchOut]

    @classmethod
    def of(cls, branch: Branch, parent_id: UUID | None = None) -> Self:
        budget, spending = branch.budget, branch.spending
        currency = budget.currency
        remaining = branch.allocated - spending.total - spending.committed
        return cls(
            id=budget.id,
            parent_id=parent_id,
            name=budget.name,
            level=BudgetLevel(budget.level),
            owner_id=budget.owner_id,
            currency=currency,
            status=branch.standing.status,
            condition=branch.standing.condition,
            allocated=format_amount(branch.allocated, currency),
            unallocated=format_amount(branch.allocated - branch.given, currency),
            own_spent=format_amount(spending.own, currency),
            spent=format_amount(spending.total, currency),
            committed=format_amount(spending.committed, currency),
            remaining=format_amount(remaining, currency),
            utilisation_percent=utilisation(branch.allocated, spending.total),
            unconverted=spending.unconverted,
            children=[BranchOut.of(child, budget.id) for child in branch.children],
        )


class TreeOut(Output):
    on: date
    period_starts_on: date
    period_ends_on: date
    tree: BranchOut

    @classmethod
    def of(cls, on: date, period: Period, branch: Branch) -> Self:
        return cls(
            on=on,
            period_starts_on=period.starts_on,
            period_ends_on=period.ends_on,
            tree=BranchOut.of(branch),
        )


class SummaryHealth(Output):
    score: int
    band: Band


class SummaryOut(Output):
    """Totals are of the budgets whose period holds the day and that hang on no other visible one.

    An expense that counts in two trees counts in both.
    """

    on: date
    currency: str = Field(description="The organization's base currency.")
    budgets: int
    running: int
    allocated: Money
    spent: Money
    committed: Money
    remaining: Money
    utilisation_percent: Percent | None
    health: SummaryHealth | None = Field(
        description="The mean of the running budgets' scores, by what they have."
    )
    by_status: dict[BudgetStatus, int]
    by_condition: dict[Condition, int]
    unconverted_budgets: int = Field(description="Left out of the totals, for want of a rate.")
    unconverted_currencies: list[str]
    unconverted_lines: int

    @classmethod
    def of(cls, summary: Summary) -> Self:
        score, found = summary.health_score, summary.health_band
        health = None if score is None or found is None else SummaryHealth(score=score, band=found)
        same = (
            "currency",
            "budgets",
            "running",
            "by_status",
            "by_condition",
            "unconverted_budgets",
            "unconverted_currencies",
            "unconverted_lines",
        )
        money = ("allocated", "spent", "committed", "remaining")
        values: dict[str, Any] = {name: getattr(summary, name) for name in same}
        values |= {n: format_amount(getattr(summary, n), summary.currency) for n in money}
        used: Decimal | None = utilisation(summary.allocated, summary.spent)
        return cls(on=summary.day, health=health, utilisation_percent=used, **values)


class LineOut(Output):
    """A transaction, a split of one, or a cloud service's day, and why it counts in the budget."""

    line_id: UUID
    transaction_id: UUID | None = Field(description="Null for cloud costs.")
    account_id: UUID
    budget_id: UUID | None = Field(
        description="The budget it counts in; null for one below that you may not see."
    )
    date: date
    kind: Literal["expense", "refund"]
    status: Literal["pending", "paid"]
    description: str
    vendor: str | None
    amount: Money = Field(description="Negative for a refund.")
    currency: str
    rule: AttributionRule = Field(
        description="Whether the line names the budget, or `rule_id` matched it."
    )
    rule_id: UUID | None

    @classmethod
    def of(cls, line: BudgetLine, budgets: frozenset[UUID]) -> Self:
        values = {name: getattr(line, name) for name in cls.model_fields}
        values["amount"] = format_amount(line.amount, line.currency)
        if line.budget_id not in budgets:
            values |= {"budget_id": None, "rule_id": None}
        return cls.model_validate(values)


class LineListParams(PageParams):
    from_date: PlainDate | None = None
    to_date: PlainDate | None = None
    status: Literal["pending", "paid"] | None = None
    own: bool = Field(default=False, description="Only those on the budget itself.")


class ChangeOut(Output):
    field: str
    before: Any
    after: Any


class RevisionOut(Output):
    id: UUID
    action: str
    actor: str = Field(description="A user's id, or `system:` and the name of a job.")
    changed_at: datetime
    changes: list[ChangeOut] | None = Field(description="Null where they were erased.")

    @classmethod
    def of(cls, revision: Revision, accounts: frozenset[UUID]) -> Self:
        shown = cls.model_validate(revision)
        for change in shown.changes or ():
            if change.field == "rules":
                change.before = _shown_rules(change.before, accounts)
                change.after = _shown_rules(change.after, accounts)
        return shown


def _shown_rules(rules: list[dict[str, Any]] | None, accounts: frozenset[UUID]) -> Any:  # noqa: ANN401  # JSON
    if rules is None:
        return None
    return [
        {n: v for n, v in rule.items() if n != "account_id" or UUID(v) in accounts}
        for rule in rules
    ]
