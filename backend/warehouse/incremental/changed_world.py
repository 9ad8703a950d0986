"""The extract's own queries over nothing but the changed days and accounts.

A query that is put behind `WITH transactions AS (…)` means that, and not the table of the name. So
what a full refresh reads and adds up is written once, for both kinds of refresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import duckdb

from backend.warehouse.source_reader import Parameters

_SHADOWS = """
changed_days AS (
    SELECT * FROM unnest($1::text::uuid[], $2::text::uuid[], $3::text::date[])
        AS d (organization_id, account_id, date)
), changed_accounts AS (
    SELECT * FROM unnest($4::text::uuid[], $5::text::uuid[]) AS a (organization_id, account_id)
), transactions AS MATERIALIZED (
    SELECT t.* FROM changed_days d
    JOIN public.transactions t ON t.organization_id = d.organization_id
        AND t.account_id = d.account_id AND t.date = d.date
), transaction_splits AS MATERIALIZED (
    SELECT s.* FROM transactions t
    JOIN public.transaction_splits s ON s.organization_id = t.organization_id
        AND s.transaction_id = t.id
), transaction_tags AS MATERIALIZED (
    SELECT g.* FROM transactions t
    JOIN public.transaction_tags g ON g.organization_id = t.organization_id
        AND g.transaction_id = t.id
), cloud_costs AS MATERIALIZED (
    SELECT c.* FROM changed_days d
    JOIN public.cloud_costs c ON c.organization_id = d.organization_id
        AND c.account_id = d.account_id AND c.cost_date = d.date
), budget_attributions AS MATERIALIZED (
    SELECT a.* FROM transactions t
    JOIN public.budget_attributions a ON a.organization_id = t.organization_id
        AND a.transaction_id = t.id
    UNION ALL
    SELECT a.* FROM cloud_costs c
    JOIN public.budget_attributions a ON a.organization_id = c.organization_id
        AND a.cloud_cost_id = c.id
), balance_snapshots AS MATERIALIZED (
    SELECT s.* FROM changed_accounts a
    JOIN public.balance_snapshots s ON s.organization_id = a.organization_id
        AND s.account_id = a.account_id
)"""

# The raw tables of which an incremental refresh reads the changed part; the others are small.
PARTIAL = frozenset(
    {
        "transactions",
        "transaction_splits",
        "transaction_tags",
        "cloud_costs",
        "budget_attributions",
        "balance_snapshots",
        "fx_conversions",
    }
)


def of_changed(query: str) -> str:
    """`query` over the changed world, whose units are the parameters."""
    return f"WITH {_SHADOWS} SELECT * FROM ({query}) AS of_changed"  # noqa: S608  # constants


def units(target: duckdb.DuckDBPyConnection) -> Parameters:
    """`changed.days` and `changed.accounts`, column by column, as PostgreSQL writes arrays."""
    days = target.execute("FROM changed.days").fetchall()
    accounts = target.execute("FROM changed.accounts").fetchall()
    return [
        *(_array([row[column] for row in days]) for column in range(3)),
        *(_array([row[column] for row in accounts]) for column in range(2)),
    ]


def _array(values: Sequence[UUID | object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"
