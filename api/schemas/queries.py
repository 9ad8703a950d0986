"""A query as the body of a request."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from backend.errors import FieldError, InvalidInput
from backend.warehouse.spec import QuerySpec

_EXAMPLES: list[JsonValue] = [
    {
        "measures": ["spent"],
        "dimensions": [
            {"column": "booking_date", "grain": "month"},
            {"column": "category.name"},
        ],
        "filters": [
            {"field": "booking_date", "op": "during", "value": "last_3_months"},
            {
                "or": [
                    {"field": "vendor", "op": "contains", "value": "rail"},
                    {"field": "amount", "op": "gte", "value": "250.00"},
                ]
            },
        ],
        "order": [{"field": "spent", "descending": True}],
        "totals": {"subtotals": "grand", "shares": ["spent"]},
    },
    {
        "fields": ["booking_date", "vendor", "amount", "currency"],
        "filters": [{"field": "amount", "op": "between", "value": ["10.00", "20.00"]}],
        "limit": 100,
    },
]


class QueryIn(QuerySpec):
    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})

    dataset: str = Field("", description="That of the path, if given.")

    def of(self, dataset: str) -> QuerySpec:
        """The query of the dataset that the path names."""
        if self.dataset not in {"", dataset}:
            raise InvalidInput(
                "The query is of another dataset than the path.",
                errors=[FieldError("#/dataset", f"Leave it out, or write {dataset[:100]!a}.")],
            )
        return self.model_copy(update={"dataset": dataset})
