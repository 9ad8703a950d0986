"""What is asked of the cost events, and the SQL that answers it by hand over the best layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from backend.scope import Scope
from backend.warehouse.spec import MAX_LIMIT, QuerySpec

DATASET = "fct_cost_events"
ROWS = QuerySpec(dataset=DATASET, limit=1_000)

_MONTH = {"column": "cost_date", "grain": "month"}
_BY_MONTH_AND_CATEGORY: dict[str, Any] = {
    "dataset": DATASET,
    "dimensions": [_MONTH, {"column": "category.name"}],
    "measures": ["total_cost", "events"],
    "limit": MAX_LIMIT,
}
BY_MONTH_AND_CATEGORY = QuerySpec.model_validate(_BY_MONTH_AND_CATEGORY)
ONE_MONTH = QuerySpec.model_validate(
    _BY_MONTH_AND_CATEGORY
    | {"filters": [{"field": "cost_date", "op": "between", "value": ["2025-11-01", "2025-11-30"]}]}
)

_BEST_TABLE = """
CREATE TABLE best AS
SELECT organization_id, owner_id, account_id, cost_date, category_id, amount, currency
FROM world.marts.fct_cost_events WHERE {visible} ORDER BY {order}
"""
_BEST_ANSWER = """
SELECT
    CAST(date_trunc('month', cost_date) AS DATE) AS month, categories.name, currency,
    sum(amount) AS total_cost, count(*) AS events
FROM best LEFT JOIN categories USING (category_id)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Grouped:
    """`visible` are the rows that the answer is made of, and nothing else is in the best table."""

    case: str
    spec: QuerySpec
    visible: str
    order: str = "owner_id, cost_date"

    def best(self, connection: duckdb.DuckDBPyConnection, scope: Scope) -> str:
        """The SQL by hand, once the table that it reads is made from the attached `world`."""
        values = {"me": str(scope.user_id), "shared": [str(i) for i in scope.shared_account_ids]}
        used = {name: value for name, value in values.items() if f"${name}" in self.visible}
        connection.execute(_BEST_TABLE.format(visible=self.visible, order=self.order), used)
        connection.execute("CREATE TABLE categories AS FROM world.marts.dim_categories")
        return _BEST_ANSWER


OF_ONE_PERSON = Grouped(
    "month x category of one person", BY_MONTH_AND_CATEGORY, "owner_id = CAST($me AS UUID)"
)
OF_A_SHARING_MEMBER = Grouped(
    "month x category of a member with three shared accounts",
    BY_MONTH_AND_CATEGORY,
    "owner_id = CAST($me AS UUID) OR account_id = ANY(CAST($shared AS UUID[]))",
)
OF_AN_ANALYST = Grouped(
    "category of an analyst's month",
    ONE_MONTH,
    "cost_date BETWEEN DATE '2025-11-01' AND DATE '2025-11-30'",
    order="cost_date, category_id",
)
