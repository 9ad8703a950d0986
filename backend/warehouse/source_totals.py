"""What each mart must amount to, computed by PostgreSQL from its own tables.

These queries are written apart from the dbt models on purpose: a rule that is broken in one of the
two shows as a difference. Each answers (measure, organization_id, currency, rows, amount); `rows`
counts the rows of the mart in which the measure has a value. Dimensions have rows alone.
"""

from __future__ import annotations

# The lines of spending: transactions without splits, and splits. A refund counts against it.
_LINES = """
spending AS NOT MATERIALIZED (
    SELECT organization_id, id, account_id, date, currency, amount,
        CASE kind WHEN 'expense' THEN 1 ELSE -1 END AS sign
    FROM transactions
    WHERE deleted_at IS NULL AND kind IN ('expense', 'refund') AND status IN ('paid', 'pending')
), lines AS (
    SELECT t.organization_id, t.id AS line_id, t.id AS transaction_id, t.account_id, t.date,
        t.currency, t.amount, t.sign, NULL::uuid AS tag_id
    FROM spending t
    WHERE NOT EXISTS (
        SELECT FROM transaction_splits s
        WHERE s.organization_id = t.organization_id AND s.transaction_id = t.id)
    UNION ALL
    SELECT t.organization_id, s.id, t.id, t.account_id, t.date, t.currency, s.amount, t.sign,
        s.tag_id
    FROM transaction_splits s
    JOIN spending t ON t.organization_id = s.organization_id AND t.id = s.transaction_id
)"""

# Budgets with all that lie above them, themselves included.
_LINEAGE = """
lineage AS (
    SELECT organization_id, id AS budget_id, id AS ancestor_id FROM budgets
    UNION ALL
    SELECT l.organization_id, l.budget_id, b.parent_id
    FROM lineage l
    JOIN budgets b ON b.organization_id = l.organization_id AND b.id = l.ancestor_id
    WHERE b.parent_id IS NOT NULL
)"""

# What counts in a budget: lines of the ledger, and what a cloud service costs a day, rounded once.
_ATTRIBUTED = """
attributed AS (
    SELECT a.organization_id, a.budget_id, n.date, n.currency, n.amount, n.sign
    FROM budget_attributions a
    JOIN lines n ON n.organization_id = a.organization_id AND n.line_id = a.line_id
    UNION ALL
    SELECT a.organization_id, a.budget_id, c.cost_date, c.billing_currency,
        CASE WHEN abs(round(sum(c.effective_cost), 4)) < 1e14
            THEN round(sum(c.effective_cost), 4) END, 1
    FROM budget_attributions a
    JOIN cloud_costs c ON c.organization_id = a.organization_id AND c.id = a.cloud_cost_id
    GROUP BY a.organization_id, a.budget_id, c.account_id, c.cost_date, c.provider,
        c.service_name, c.billing_currency
)"""

# The rates from what was spent into what it is counted in; unusable ones are NULL.
_RATES = """
rates AS MATERIALIZED (
    SELECT h.organization_id, h.currency AS from_currency, w.currency AS to_currency, h.date,
        fx_rate(h.organization_id, h.currency, w.currency, h.date) AS rate
    FROM (
        SELECT organization_id, currency, date FROM transactions
        UNION
        SELECT organization_id, billing_currency, cost_date FROM cloud_costs
    ) h
    JOIN (
        SELECT id AS organization_id, base_currency AS currency FROM organizations
        UNION
        SELECT organization_id, currency FROM budgets
    ) w ON w.organization_id = h.organization_id
)"""

# What has no usable rate, or has no room in numeric(18, 4), is NULL.
_CONVERTED = """
l.sign * CASE
    WHEN r.from_currency = r.to_currency THEN l.amount
    WHEN r.rate > 0 AND r.rate < 1e10 AND abs(round(l.amount * r.rate, 4)) < 1e14
    THEN round(l.amount * r.rate, 4)
END"""


def _dimension(table: str) -> str:
    return (
        "SELECT NULL AS measure, organization_id, NULL AS currency, count(*) AS rows, "  # noqa: S608  # constants below
        f"NULL::numeric AS amount FROM {table} GROUP BY organization_id"
    )


_TRANSACTIONS = """
SELECT 'amount' AS measure, organization_id, currency, count(*) AS rows, sum(amount) AS amount
FROM transactions WHERE deleted_at IS NULL GROUP BY organization_id, currency
"""

_SPENDING_BY_TAG = f"""
WITH {_LINES}, buckets AS (
    SELECT l.organization_id, l.currency, sum(l.sign * l.amount) AS amount
    FROM lines l
    LEFT JOIN transaction_tags t ON l.tag_id IS NULL
        AND t.organization_id = l.organization_id AND t.transaction_id = l.transaction_id
    GROUP BY l.organization_id, l.currency, l.account_id, l.date, coalesce(l.tag_id, t.tag_id)
)
SELECT 'spent' AS measure, organization_id, currency, count(*) AS rows, sum(amount) AS amount
FROM buckets GROUP BY organization_id, currency
"""  # noqa: S608  # constants

_OBSERVED_BALANCES = """
SELECT 'balance' AS measure, a.organization_id, a.currency, count(*) AS rows,
    sum(s.balance) AS amount
FROM balance_snapshots s
JOIN accounts a ON a.organization_id = s.organization_id AND a.id = s.account_id
GROUP BY a.organization_id, a.currency
"""

_MONTHLY_TRENDS = """
WITH months AS (
    SELECT organization_id, currency,
        coalesce(sum(amount) FILTER (WHERE kind = 'expense'), 0)
            - coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS spending,
        coalesce(sum(amount) FILTER (WHERE kind = 'income'), 0) AS income
    FROM transactions
    WHERE deleted_at IS NULL AND kind <> 'transfer' AND status NOT IN ('cancelled', 'refunded')
    GROUP BY organization_id, currency, account_id,
        extract(year FROM date), extract(month FROM date)
)
SELECT m.measure, organization_id, currency, count(*) AS rows, sum(m.amount) AS amount
FROM months
CROSS JOIN LATERAL (VALUES ('income', income), ('spending', spending)) m (measure, amount)
GROUP BY m.measure, organization_id, currency
"""

_BUDGETS = f"""
WITH RECURSIVE {_LINEAGE}, {_LINES}, {_RATES}, {_ATTRIBUTED}, spent AS (
    SELECT l.organization_id, l.budget_id, l.date, r.to_currency AS currency,
        sum({_CONVERTED}) AS amount
    FROM attributed l
    JOIN rates r ON r.organization_id = l.organization_id AND r.from_currency = l.currency
        AND r.date = l.date
    GROUP BY l.organization_id, l.budget_id, l.date, r.to_currency
), periods AS (
    SELECT p.organization_id, p.budget_id, b.currency, p.starts_on, least(
        p.ends_on, (
            current_setting('outlay.taken_at')::timestamptz AT TIME ZONE coalesce(z.name, 'UTC')
        )::date) AS ends_on
    FROM budget_periods p
    JOIN budgets b ON b.organization_id = p.organization_id AND b.id = p.budget_id
    JOIN organizations o ON o.id = p.organization_id
    LEFT JOIN pg_timezone_names z ON z.name = o.time_zone
), totals AS (
    SELECT p.organization_id, p.currency, p.ends_on - p.starts_on + 1 AS days,
        coalesce(sum(s.amount) FILTER (WHERE n.budget_id = p.budget_id), 0) AS own,
        coalesce(sum(s.amount), 0) AS subtree
    FROM periods p
    JOIN lineage n ON n.organization_id = p.organization_id AND n.ancestor_id = p.budget_id
    LEFT JOIN spent s ON s.organization_id = n.organization_id AND s.budget_id = n.budget_id
        AND s.currency = p.currency AND s.date BETWEEN p.starts_on AND p.ends_on
    WHERE p.starts_on <= p.ends_on
    GROUP BY p.organization_id, p.budget_id, p.currency, p.starts_on, p.ends_on
)
SELECT m.measure, t.organization_id, t.currency, sum(t.days) AS rows, sum(m.amount) AS amount
FROM totals t
CROSS JOIN LATERAL (VALUES ('own_spent', t.own), ('subtree_spent', t.subtree)) m (measure, amount)
GROUP BY m.measure, t.organization_id, t.currency
"""  # noqa: S608  # constants

_COST_EVENTS = f"""
WITH {_LINES}, {_RATES}, events AS MATERIALIZED (
    SELECT l.organization_id, l.currency, o.base_currency, l.sign * l.amount AS amount,
        {_CONVERTED} AS base_amount
    FROM lines l
    JOIN organizations o ON o.id = l.organization_id
    JOIN rates r ON r.organization_id = l.organization_id AND r.from_currency = l.currency
        AND r.to_currency = o.base_currency AND r.date = l.date
    UNION ALL
    SELECT c.organization_id, c.billing_currency, o.base_currency, c.effective_cost, CASE
        WHEN c.billing_currency = o.base_currency THEN c.effective_cost
        WHEN r.rate > 0 AND r.rate < 1e10 AND abs(round(c.effective_cost * r.rate, 12)) < 1e16
        THEN round(c.effective_cost * r.rate, 12)
    END
    FROM cloud_costs c
    JOIN organizations o ON o.id = c.organization_id
    JOIN rates r ON r.organization_id = c.organization_id
        AND r.from_currency = c.billing_currency AND r.to_currency = o.base_currency
        AND r.date = c.cost_date
)
SELECT 'amount' AS measure, organization_id, currency, count(*) AS rows, sum(amount) AS amount
FROM events GROUP BY organization_id, currency
UNION ALL
SELECT 'base_amount', organization_id, base_currency, count(base_amount),
    coalesce(sum(base_amount), 0)
FROM events GROUP BY organization_id, base_currency
"""  # noqa: S608  # constants

SOURCE_TOTALS = {
    "dim_accounts": _dimension("accounts"),
    "dim_tags": _dimension("tags"),
    "dim_categories": _dimension("categories"),
    "dim_budgets": _dimension("budgets"),
    "fct_transactions": _TRANSACTIONS,
    "fct_daily_spending_by_tag": _SPENDING_BY_TAG,
    "fct_daily_balance_history": _OBSERVED_BALANCES,
    "fct_monthly_trends": _MONTHLY_TRENDS,
    "fct_budget_daily": _BUDGETS,
    "fct_cost_events": _COST_EVENTS,
}
