"""Every mart against what PostgreSQL computed for it in the same snapshot, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb

from backend.warehouse.extract import SOURCE_FILE, TARGET_FILE
from backend.warehouse.totals import TOTALS_TABLE

_DIMENSIONS = ("dim_accounts", "dim_tags", "dim_categories", "dim_budgets")


@dataclass(frozen=True, slots=True)
class _Measure:
    mart: str
    column: str
    currency: str = "currency"
    condition: str = "true"


_MEASURES = (
    _Measure("fct_transactions", "amount"),
    _Measure("fct_daily_spending_by_tag", "spent"),
    # What is carried forward is the mart's own; PostgreSQL has what was observed.
    _Measure("fct_daily_balance_history", "balance", condition="is_observed"),
    _Measure("fct_monthly_trends", "income"),
    _Measure("fct_monthly_trends", "spending"),
    _Measure("fct_budget_daily", "own_spent"),
    _Measure("fct_budget_daily", "subtree_spent"),
    _Measure("fct_cost_events", "amount"),
    _Measure("fct_cost_events", "base_amount", currency="base_currency"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one organization in one currency. A group that one side lacks has 0 rows there.

    `fact` is the mart, with the measure after a dot; a dimension has neither currency nor amount.
    """

    fact: str
    organization_id: UUID
    currency: str | None
    source_rows: int
    mart_rows: int
    source_amount: Decimal | None
    mart_amount: Decimal | None

    @property
    def agrees(self) -> bool:
        return self.source_rows == self.mart_rows and self.source_amount == self.mart_amount


_COMPARE = f"""
SELECT coalesce(s.fact, m.fact), coalesce(s.organization_id, m.organization_id),
    coalesce(s.currency, m.currency), coalesce(s.rows, 0), coalesce(m.rows, 0),
    CASE WHEN s.fact IS NULL AND m.amount IS NOT NULL THEN 0 ELSE s.amount END,
    CASE WHEN m.fact IS NULL AND s.amount IS NOT NULL THEN 0 ELSE m.amount END
FROM source.raw.{TOTALS_TABLE} s
FULL JOIN mart_totals m ON s.fact = m.fact AND s.organization_id = m.organization_id
    AND s.currency IS NOT DISTINCT FROM m.currency
ORDER BY 1, 2, 3
"""  # noqa: S608  # a constant


def reconcile(build_dir: Path) -> list[Comparison]:
    """Compare the built marts of `build_dir` with its extract; both files are only read."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {_quoted(build_dir / SOURCE_FILE)} AS source (READ_ONLY)")
        connection.execute(f"ATTACH {_quoted(build_dir / TARGET_FILE)} AS outlay (READ_ONLY)")
        connection.execute(f"CREATE TABLE mart_totals AS FROM source.raw.{TOTALS_TABLE} LIMIT 0")
        for query in (*map(_count, _DIMENSIONS), *map(_total, _MEASURES)):
            connection.execute(f"INSERT INTO mart_totals {query}")
        return [Comparison(*row) for row in connection.execute(_COMPARE).fetchall()]


def _count(dimension: str) -> str:
    return (
        f"SELECT '{dimension}', organization_id, NULL, count(*), NULL "  # noqa: S608  # constants above
        f"FROM outlay.marts.{dimension} GROUP BY organization_id"
    )


def _total(measure: _Measure) -> str:
    return (
        f"SELECT '{measure.mart}.{measure.column}', organization_id, {measure.currency}, "  # noqa: S608  # constants above
        f"count({measure.column}), coalesce(sum({measure.column}), 0) "
        f"FROM outlay.marts.{measure.mart} WHERE {measure.condition} "
        f"GROUP BY organization_id, {measure.currency}"
    )


def _quoted(path: Path) -> str:
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"
