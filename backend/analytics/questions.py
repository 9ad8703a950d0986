"""The ready-made questions: each is one QuerySpec on one dataset."""

from __future__ import annotations

from backend.warehouse.spec import MAX_LIMIT, Dimension, Order, QuerySpec


def spending_by_tag() -> QuerySpec:
    """What was spent under each tag and currency, the most first; untagged spending has no tag.

    A transaction counts under each of its tags, so that the rows do not add up to all spending.
    """
    return QuerySpec(
        dataset="fct_daily_spending_by_tag",
        dimensions=_by("tag_id", "tag.name", "tag.colour"),
        measures=("spent", "base_spent", "transactions", "unconverted"),
        order=(Order(field="base_spent", descending=True),),
        limit=MAX_LIMIT,
    )


def trends() -> QuerySpec:
    """Income, spending, what remained and the share of income saved, by month and currency."""
    native = ("income", "spending", "net", "savings_rate")
    converted = ("base_income", "base_spending", "base_net", "unconverted")
    return QuerySpec(
        dataset="fct_monthly_trends",
        dimensions=_by("month"),
        measures=native + converted,
        limit=MAX_LIMIT,
    )


def balance_history() -> QuerySpec:
    """The balance of each account on each day."""
    return QuerySpec(
        dataset="fct_daily_balance_history",
        dimensions=_by("balance_date", "account_id", "account.name"),
        measures=("balance", "base_balance"),
        limit=MAX_LIMIT,
    )


def _by(*columns: str) -> tuple[Dimension, ...]:
    return tuple(Dimension(column=column) for column in columns)
