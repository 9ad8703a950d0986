"""What the extract reads from PostgreSQL, table by table. Deleted transactions are left out here.

Numerics arrive in Arrow as text and are cast to the DuckDB type named here, never to a float.
"""

from __future__ import annotations

from dataclasses import dataclass

AMOUNT = "DECIMAL(18, 4)"
RATE = "DECIMAL(20, 10)"
COST = "DECIMAL(28, 12)"


@dataclass(frozen=True, slots=True)
class SourceTable:
    """`columns` maps each column of `query`, in its order, to its DuckDB type."""

    name: str
    columns: dict[str, str]
    query: str


def _whole(name: str, columns: dict[str, str]) -> SourceTable:
    return SourceTable(name, columns, f"SELECT {', '.join(columns)} FROM {name}")  # noqa: S608  # constants below


def _of_undeleted(name: str, columns: dict[str, str]) -> SourceTable:
    """A table whose rows belong to transactions. The deleted ones are few: cheaper to name them."""
    query = (
        f"SELECT {', '.join(columns)} FROM {name} WHERE (organization_id, transaction_id) NOT IN "  # noqa: S608  # constants below
        "(SELECT organization_id, id FROM transactions WHERE deleted_at IS NOT NULL)"
    )
    return SourceTable(name, columns, query)


# `snapshot_date` is the day of the snapshot where the organization is; a name of a time zone that
# PostgreSQL does not know is taken for UTC.
_ORGANIZATIONS = """
SELECT o.id, o.name, o.base_currency, (
        current_setting('outlay.taken_at')::timestamptz AT TIME ZONE coalesce(z.name, 'UTC')
    )::date AS snapshot_date
FROM organizations o
LEFT JOIN pg_timezone_names z ON z.name = o.time_zone
"""

_BUDGETS = """
SELECT organization_id, id, parent_id, root_id, owner_id, name, level, type, amount, currency,
    starts_on, ends_on, warning_threshold, critical_threshold,
    archived_at IS NOT NULL AS is_archived
FROM budgets
"""

_TRANSACTIONS = """
SELECT organization_id, id, account_id, counter_account_id, kind, status, date, amount, currency,
    description, category_id, budget_id, vendor, invoice_number, payment_method, external_id,
    created_at
FROM transactions
WHERE deleted_at IS NULL
"""

_BUDGET_ATTRIBUTIONS = """
SELECT organization_id, line_id, transaction_id, budget_id, rule
FROM budget_attributions
WHERE transaction_id IS NULL OR (organization_id, transaction_id) NOT IN
    (SELECT organization_id, id FROM transactions WHERE deleted_at IS NOT NULL)
"""

# Every conversion that a mart may need, once: from the currencies of the ledger and of the accounts
# into the organization's own and those of its budgets. A rate is NULL when there is none within 7
# days, and when it is too large or too small for the column.
_FX_CONVERSIONS = """
WITH wanted AS (
    SELECT id AS organization_id, base_currency AS currency FROM organizations
    UNION
    SELECT organization_id, currency FROM budgets
), balance_days AS (
    SELECT a.organization_id, a.currency, min(s.date) AS first_day,
        -- One day more than in UTC: it is tomorrow already in some organizations.
        greatest(
            max(s.date),
            (current_setting('outlay.taken_at')::timestamptz AT TIME ZONE 'UTC')::date + 1
        ) AS last_day
    FROM accounts a
    JOIN organizations o ON o.id = a.organization_id AND o.base_currency <> a.currency
    JOIN balance_snapshots s ON s.organization_id = a.organization_id AND s.account_id = a.id
    GROUP BY a.organization_id, a.currency
), held AS (
    SELECT organization_id, currency, date FROM transactions WHERE deleted_at IS NULL
    UNION
    SELECT organization_id, billing_currency, cost_date FROM cloud_costs
    UNION
    SELECT organization_id, currency, first_day + generate_series(0, last_day - first_day)
    FROM balance_days
)
SELECT h.organization_id, h.currency AS from_currency, w.currency AS to_currency, h.date,
    CASE WHEN r.rate > 0 AND r.rate < 1e10 THEN r.rate END AS rate
FROM held h
JOIN wanted w ON w.organization_id = h.organization_id AND w.currency <> h.currency
CROSS JOIN LATERAL (
    SELECT fx_rate(h.organization_id, h.currency, w.currency, h.date) AS rate
    OFFSET 0  -- once per key, however often the column is named
) r
"""

TABLES = (
    SourceTable(
        "organizations",
        {"id": "UUID", "name": "VARCHAR", "base_currency": "VARCHAR", "snapshot_date": "DATE"},
        _ORGANIZATIONS,
    ),
    _whole("institutions", {"organization_id": "UUID", "id": "UUID", "name": "VARCHAR"}),
    _whole(
        "connections",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "institution_id": "UUID",
            "provider": "VARCHAR",
            "status": "VARCHAR",
        },
    ),
    _whole(
        "accounts",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "owner_id": "UUID",
            "institution_id": "UUID",
            "connection_id": "UUID",
            "name": "VARCHAR",
            "type": "VARCHAR",
            "currency": "VARCHAR",
            "credit_limit": AMOUNT,
            "status": "VARCHAR",
        },
    ),
    _whole(
        "balance_snapshots",
        {"organization_id": "UUID", "account_id": "UUID", "date": "DATE", "balance": AMOUNT},
    ),
    _whole(
        "categories",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "parent_id": "UUID",
            "name": "VARCHAR",
            "description": "VARCHAR",
            "colour": "VARCHAR",
            "icon": "VARCHAR",
        },
    ),
    _whole(
        "tags", {"organization_id": "UUID", "id": "UUID", "name": "VARCHAR", "colour": "VARCHAR"}
    ),
    SourceTable(
        "transactions",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "account_id": "UUID",
            "counter_account_id": "UUID",
            "kind": "VARCHAR",
            "status": "VARCHAR",
            "date": "DATE",
            "amount": AMOUNT,
            "currency": "VARCHAR",
            "description": "VARCHAR",
            "category_id": "UUID",
            "budget_id": "UUID",
            "vendor": "VARCHAR",
            "invoice_number": "VARCHAR",
            "payment_method": "VARCHAR",
            "external_id": "VARCHAR",
            "created_at": "TIMESTAMPTZ",
        },
        _TRANSACTIONS,
    ),
    _of_undeleted(
        "transaction_tags", {"organization_id": "UUID", "transaction_id": "UUID", "tag_id": "UUID"}
    ),
    _of_undeleted(
        "transaction_splits",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "transaction_id": "UUID",
            "amount": AMOUNT,
            "category_id": "UUID",
            "tag_id": "UUID",
            "description": "VARCHAR",
        },
    ),
    SourceTable(
        "budgets",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "parent_id": "UUID",
            "root_id": "UUID",
            "owner_id": "UUID",
            "name": "VARCHAR",
            "level": "VARCHAR",
            "type": "VARCHAR",
            "amount": AMOUNT,
            "currency": "VARCHAR",
            "starts_on": "DATE",
            "ends_on": "DATE",
            "warning_threshold": "INTEGER",
            "critical_threshold": "INTEGER",
            "is_archived": "BOOLEAN",
        },
        _BUDGETS,
    ),
    _whole(
        "budget_periods",
        {
            "organization_id": "UUID",
            "budget_id": "UUID",
            "starts_on": "DATE",
            "ends_on": "DATE",
            "amount": AMOUNT,
        },
    ),
    SourceTable(
        "budget_attributions",
        {
            "organization_id": "UUID",
            "line_id": "UUID",
            "transaction_id": "UUID",
            "budget_id": "UUID",
            "rule": "VARCHAR",
        },
        _BUDGET_ATTRIBUTIONS,
    ),
    _whole(
        "cloud_costs",
        {
            "organization_id": "UUID",
            "id": "UUID",
            "account_id": "UUID",
            "cost_date": "DATE",
            "provider": "VARCHAR",
            "service_name": "VARCHAR",
            "region_id": "VARCHAR",
            "region_name": "VARCHAR",
            "charge_description": "VARCHAR",
            "effective_cost": COST,
            "billing_currency": "VARCHAR",
        },
    ),
    SourceTable(
        "fx_conversions",
        {
            "organization_id": "UUID",
            "from_currency": "VARCHAR",
            "to_currency": "VARCHAR",
            "date": "DATE",
            "rate": RATE,
        },
        _FX_CONVERSIONS,
    ),
)
