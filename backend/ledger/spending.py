"""What was spent, by all that spending is looked at by, with the period before beside it.

Reads `spent_lines`, which the budgets' figures read too: paid and pending expenses less refunds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Integer,
    Interval,
    Label,
    Row,
    Select,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from backend.ledger.models import TransactionTag
from backend.ledger.spent_lines import Filters, spent_lines
from backend.periods import Grain, Period, previous_period
from backend.scope import Scope

_DIMENSIONS = ("category_id", "vendor", "payment_method", "month")
# Of GROUPING(): a bit for each dimension, 0 where the row is grouped by it.
_MASKS = {15: "total", 7: "category_id", 11: "vendor", 13: "payment_method", 14: "month"}


@dataclass(frozen=True, slots=True)
class Amounts:
    spent: Decimal = Decimal(0)
    previous: Decimal = Decimal(0)

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.spent + other.spent, self.previous + other.previous)


@dataclass(slots=True)
class Spent:
    """Of one bucket: by currency as it was booked, and in the organization's own.

    `unconverted` lines had no rate on their day: they are in none of the figures of `base`.
    """

    by_currency: dict[str, Amounts] = field(default_factory=dict)
    base: Amounts = Amounts()
    lines: int = 0
    previous_lines: int = 0
    unconverted: int = 0
    previous_unconverted: int = 0

    def __iadd__(self, other: Spent) -> Self:
        for currency, amounts in other.by_currency.items():
            self.by_currency[currency] = self.by_currency.get(currency, Amounts()) + amounts
        self.base += other.base
        self.lines += other.lines
        self.previous_lines += other.previous_lines
        self.unconverted += other.unconverted
        self.previous_unconverted += other.previous_unconverted
        return self


@dataclass(frozen=True, slots=True)
class Spending:
    """Buckets by what they are of; None is the bucket of what has no category, vendor or tag.

    Those by tag do not add up to the total: a line with two tags is in two of them.
    """

    total: Spent
    by_category: Mapping[UUID | None, Spent]
    by_vendor: Mapping[str | None, Spent]
    by_tag: Mapping[UUID | None, Spent]
    by_payment_method: Mapping[str | None, Spent]
    by_month: Mapping[date, Spent]


async def spending(session: AsyncSession, scope: Scope, days: Period, filters: Filters) -> Spending:
    """On the accounts that the caller may see; what filters name and they do not is `NotFound`."""
    both = Period(previous_period(days).period.first, days.last)
    lines = await spent_lines(session, scope, both, filters)
    converted = _converted(scope, _compared(lines, days))
    grouped: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in await session.execute(_by_all_but_tag(converted)):
        grouped[_MASKS[row.mask]].append(row)
    tagged = await session.execute(_by_tag(scope, converted))
    months = _buckets(grouped["month"], "month")
    return Spending(
        total=_buckets(grouped["total"], "month").get(None, Spent()),
        by_category=_buckets(grouped["category_id"], "category_id"),
        by_vendor=_buckets(grouped["vendor"], "vendor"),
        by_tag=_buckets(tagged, "tag"),
        by_payment_method=_buckets(grouped["payment_method"], "payment_method"),
        by_month={first: months.get(first, Spent()) for first in days.starts(Grain.MONTH)},
    )


def _compared(lines: Select[Any], days: Period) -> CTE:
    """Each line with the month it is shown in: an earlier one in that which its day comes to."""
    found = lines.subquery()
    is_current = found.c.date >= days.first
    earlier = previous_period(days)
    later: ColumnElement[date] = found.c.date + literal(earlier.days, Integer)
    if earlier.months:
        later = cast(found.c.date + func.make_interval(0, earlier.months, type_=Interval), Date)
    shown = case((is_current, found.c.date), else_=later)
    month = cast(func.date_trunc("month", shown), Date)
    return select(found, is_current.label("is_current"), month.label("month")).cte("lines")


def _converted(scope: Scope, lines: CTE) -> CTE:
    """Each line with its amount in the organization's own currency, by the rate of its day."""
    own = scope.base_currency
    days = select(lines.c.currency, lines.c.date).where(lines.c.currency != own).distinct()
    needed = days.subquery()
    rate = func.fx_rate(scope.organization_id, needed.c.currency, own, needed.c.date)
    rates = select(needed, rate.label("rate")).cte("rates").prefix_with("MATERIALIZED")
    base = case(
        (lines.c.currency == own, lines.c.amount),
        else_=func.converted(lines.c.amount, rates.c.rate),
    )
    matching = (rates.c.currency == lines.c.currency) & (rates.c.date == lines.c.date)
    return select(lines, base.label("base")).outerjoin(rates, matching).cte("converted")


def _by_all_but_tag(lines: CTE) -> Select[Any]:
    columns = [lines.c[name] for name in _DIMENSIONS]
    sets = [tuple_(lines.c.currency), *(tuple_(lines.c.currency, column) for column in columns)]
    return select(
        func.grouping(*columns).label("mask"), *columns, lines.c.currency, *_sums(lines)
    ).group_by(func.grouping_sets(*sets))


def _by_tag(scope: Scope, lines: CTE) -> Select[Any]:
    tags = TransactionTag
    of_transaction = (
        (tags.organization_id == scope.organization_id)
        & (tags.transaction_id == lines.c.transaction_id)
        & lines.c.tag_id.is_(None)
    )
    tag = func.coalesce(lines.c.tag_id, tags.tag_id)
    return (
        select(tag.label("tag"), lines.c.currency, *_sums(lines))
        .select_from(lines)
        .outerjoin(tags, of_transaction)
        .group_by(tag, lines.c.currency)
    )


def _sums(lines: CTE) -> list[Label[Any]]:
    now, before = lines.c.is_current, ~lines.c.is_current
    nothing = literal(0)
    return [
        func.coalesce(func.sum(lines.c.amount).filter(now), nothing).label("spent"),
        func.coalesce(func.sum(lines.c.amount).filter(before), nothing).label("previous"),
        func.coalesce(func.sum(lines.c.base).filter(now), nothing).label("base"),
        func.coalesce(func.sum(lines.c.base).filter(before), nothing).label("previous_base"),
        func.count().filter(now).label("lines"),
        func.count().filter(before).label("previous_lines"),
        func.count().filter(now, lines.c.base.is_(None)).label("unconverted"),
        func.count().filter(before, lines.c.base.is_(None)).label("previous_unconverted"),
    ]


def _buckets(rows: Iterable[Row[Any]], of: str) -> dict[Any, Spent]:
    """By what they are of, from a row for each currency; what was spent most on comes first."""
    found: dict[Any, Spent] = defaultdict(Spent)
    for row in rows:
        found[getattr(row, of)] += Spent(
            by_currency={row.currency: Amounts(row.spent, row.previous)},
            base=Amounts(row.base, row.previous_base),
            lines=row.lines,
            previous_lines=row.previous_lines,
            unconverted=row.unconverted,
            previous_unconverted=row.previous_unconverted,
        )
    ranked = sorted(found.items(), key=lambda item: (-item[1].base.spent, str(item[0])))
    return dict(ranked)
