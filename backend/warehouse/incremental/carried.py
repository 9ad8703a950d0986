"""What the unchanged part of a mart amounts to: what PostgreSQL need not add up again.

The base was reconciled as a whole when it was published, and is immutable. So its rows outside the
changed units, plus what PostgreSQL says of those, are what the whole mart must amount to now.
"""

from __future__ import annotations


def _outside(mart: str, unit: str, on: str) -> str:
    return f"(SELECT b.* FROM base.marts.{mart} b ANTI JOIN changed.{unit} u ON {on})"  # noqa: S608  # constants below


def _outside_days(mart: str, date: str) -> str:
    return _outside(
        mart,
        "days",
        "u.organization_id = b.organization_id AND u.account_id = b.account_id "
        f"AND u.date = b.{date}",
    )


_SPENDING_BY_TAG = f"""
SELECT 'spent' AS measure, organization_id, currency, count(*) AS rows, sum(spent) AS amount
FROM {_outside_days("fct_daily_spending_by_tag", "spending_date")}
GROUP BY organization_id, currency
"""  # noqa: S608  # constants

_COST_EVENTS = f"""
WITH events AS MATERIALIZED (FROM {_outside_days("fct_cost_events", "cost_date")})
SELECT 'amount' AS measure, organization_id, currency, count(*) AS rows, sum(amount) AS amount
FROM events GROUP BY organization_id, currency
UNION ALL
SELECT 'base_amount', organization_id, base_currency, count(base_amount),
    coalesce(sum(base_amount), 0)
FROM events GROUP BY organization_id, base_currency
"""  # noqa: S608  # constants

_OBSERVED_BALANCES = f"""
SELECT 'balance' AS measure, organization_id, currency, count(*) AS rows, sum(balance) AS amount
FROM {
    _outside(
        "fct_daily_balance_history",
        "accounts",
        "u.organization_id = b.organization_id AND u.account_id = b.account_id",
    )
}
WHERE is_observed
GROUP BY organization_id, currency
"""  # noqa: S608  # constants

# PostgreSQL counts the days of all periods whatever was booked; only amounts are carried, those of
# the periods as they are now.
_BUDGETS = """
WITH periods AS (
    SELECT p.organization_id, p.budget_id, b.currency, p.starts_on,
        least(p.ends_on, o.snapshot_date) AS ends_on
    FROM raw.budget_periods p
    JOIN raw.budgets b ON b.organization_id = p.organization_id AND b.id = p.budget_id
    JOIN raw.organizations o ON o.id = p.organization_id
), spent AS (
    SELECT s.organization_id, s.budget_id, s.booking_date, sum(s.own_spent) AS own,
        sum(s.subtree_spent) AS subtree
    FROM base.intermediate.int_budget_spending s
    ANTI JOIN changed.days u ON u.organization_id = s.organization_id
        AND u.account_id = s.account_id AND u.date = s.booking_date
    GROUP BY s.organization_id, s.budget_id, s.booking_date
), carried AS (
    SELECT p.organization_id, p.currency, sum(s.own) AS own, sum(s.subtree) AS subtree
    FROM periods p
    JOIN spent s ON s.organization_id = p.organization_id AND s.budget_id = p.budget_id
        AND s.booking_date BETWEEN p.starts_on AND p.ends_on
    GROUP BY p.organization_id, p.currency
)
SELECT 'own_spent' AS measure, organization_id, currency, 0 AS rows, own AS amount FROM carried
UNION ALL
SELECT 'subtree_spent', organization_id, currency, 0, subtree FROM carried
"""

# By mart; of any other, PostgreSQL adds up the whole in every refresh.
CARRIED = {
    "fct_daily_spending_by_tag": _SPENDING_BY_TAG,
    "fct_daily_balance_history": _OBSERVED_BALANCES,
    "fct_budget_daily": _BUDGETS,
    "fct_cost_events": _COST_EVENTS,
}
