"""What a caller may ask of a dataset, and that all that the schema says is so."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx

from backend.warehouse.spec import MAX_CONDITIONS, MAX_LIMIT
from tests.api.marts import DATASETS, People, get, refusal
from tests.warehouse.hand_made import META, TABLES


async def schema_of(client: httpx.AsyncClient, dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = await get(client, f"{DATASETS}/{dataset}/schema")
    return found


def by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in entries}


async def ask(client: httpx.AsyncClient, dataset: str, query: dict[str, Any]) -> httpx.Response:
    return await client.post(f"{DATASETS}/{dataset}/query", json=query)


async def test_columns(people: People) -> None:
    columns = by_name((await schema_of(people.alice, "fct_transactions"))["columns"])
    assert columns["amount"] == {
        "name": "amount",
        "type": "decimal",
        "unit": "currency",
        "description": "Column amount.",
        "nullable": True,
        "values": [],
        "restricted": False,
        "operators": [
            *("eq", "ne", "in", "not_in", "gte", "lte", "gt", "lt", "between", "is_null")
        ],
    }
    assert "during" in columns["booking_date"]["operators"]
    assert "starts_with" in columns["vendor"]["operators"]
    assert "starts_with" not in columns["tag_ids"]["operators"]


SAMPLES: dict[str, Any] = {
    "uuid": "00000000-0000-0000-0000-00000000000b",
    "text": "a",
    "date": "2025-01-01",
    "timestamp": "2025-01-01T00:00:00Z",
    "decimal": "1.5",
    "integer": 1,
    "boolean": True,
}


def value_for(operator: str, type_: str) -> Any:
    sample = SAMPLES[type_.removeprefix("list<").removesuffix(">")]
    if operator in {"in", "not_in"}:
        return [sample]
    if operator == "between":
        return [sample, sample]
    return {"is_null": True, "during": "last_month"}.get(operator, sample)


async def test_a_column_takes_the_operators_that_it_names_and_no_others(people: People) -> None:
    """Alice's, of each type and of the restricted columns."""
    tried = set()
    document = await get(people.alice, "/openapi.json")
    operators = document["components"]["schemas"]["Operator"]["enum"]
    for dataset in ("fct_transactions", "dim_budgets", "fct_daily_spending_by_tag", "dim_date"):
        for column in (await schema_of(people.alice, dataset))["columns"]:
            kind = (column["type"], bool(column["operators"]))
            if kind in tried:
                continue
            tried.add(kind)
            for operator in operators:
                value = value_for(operator, column["type"])
                given = {"field": column["name"], "op": operator, "value": value}
                answer = await ask(people.alice, dataset, {"filters": [given], "limit": 1})
                is_taken = operator in column["operators"]
                assert (answer.status_code == 200) is is_taken, (given, answer.text)
    assert tried >= {(type_, True) for type_ in SAMPLES} | {("uuid", False), ("list<uuid>", True)}


async def test_groups_can_be_made_by_every_dimension_and_grain(people: People) -> None:
    for dataset in TABLES:
        for dimension in (await schema_of(people.alice, dataset))["dimensions"]:
            for grain in (None, *dimension["grains"]):
                key = {"column": dimension["name"], "grain": grain}
                answer = await ask(people.alice, dataset, {"dimensions": [key]})
                assert answer.status_code == 200, answer.text


async def test_dimensions(people: People) -> None:
    dimensions = by_name((await schema_of(people.alice, "fct_transactions"))["dimensions"])
    assert dimensions["booking_date"]["grains"] == [
        *("day", "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year"),
    ]
    assert dimensions["account.name"]["description"] == "Column name."
    assert "tag_ids" not in dimensions  # a list
    assert "account.account_id" not in dimensions  # the same as account_id
    assert "budget.currency" in dimensions  # another than the transaction's
    trends = by_name((await schema_of(people.alice, "fct_monthly_trends"))["dimensions"])
    assert "week" not in trends["month"]["grains"]


async def test_what_is_empty_for_the_caller_cannot_be_asked_by(people: People) -> None:
    for client, sees in ((people.bob, True), (people.alice, False)):
        schema = await schema_of(client, "dim_budgets")
        columns = by_name(schema["columns"])
        assert {name for name, each in columns.items() if each["restricted"]} == {
            "parent_id", "path"
        }  # fmt: skip
        assert bool(columns["path"]["operators"]) is sees
        assert ("path" in by_name(schema["dimensions"])) is sees
        assert ("parents" in by_name(schema["measures"])) is sees
        facts = by_name((await schema_of(client, "fct_transactions"))["dimensions"])
        assert ("budget.path" in facts) is sees
        assert "budget.name" in facts


async def test_measures(people: People) -> None:
    measures = by_name((await schema_of(people.alice, "fct_transactions"))["measures"])
    assert measures["total"] == {
        "name": "total",
        "type": "decimal",
        "unit": "currency",
        "formula": "sum(amount)",
        "currency_column": "currency",
        "not_additive_over": [],
        "takes_last_value": False,
        "additivity": "Adds up. Kept apart by currency.",
        "with_compare": ["total_previous", "total_delta", "total_change"],
        "with_share": "total_share",
        "fills_with_zero": True,
    }
    assert measures["average"]["formula"] == "total / events"
    assert measures["average"]["with_share"] is None
    assert "never averaged" in measures["average"]["additivity"]
    assert "never added up" in measures["vendors"]["additivity"]
    tags = by_name((await schema_of(people.alice, "fct_daily_spending_by_tag"))["measures"])
    assert tags["spent"]["not_additive_over"] == ["tag_id"]
    assert "Not over tag_id" in tags["spent"]["additivity"]
    balances = by_name((await schema_of(people.alice, "fct_daily_balance_history"))["measures"])
    assert balances["balance"]["takes_last_value"] is True
    assert "the last value counts" in balances["balance"]["additivity"]


async def test_a_measure_has_the_further_columns_that_it_names(people: People) -> None:
    for dataset in ("fct_transactions", "fct_daily_balance_history", "fct_monthly_trends"):
        schema = await schema_of(people.bob, dataset)
        date_column = META[dataset]["filters"]["date_column"]
        for measure in schema["measures"]:
            for kind in schema["options"]["compare"]:
                query = {
                    "measures": [measure["name"]],
                    "compare": kind,
                    "filters": [{"field": date_column, "op": "during", "value": "last_month"}],
                }
                answer = (await ask(people.bob, dataset, query)).json()
                names = [column["name"] for column in answer["columns"]]
                at = names.index(measure["name"])
                assert names[at + 1 :] == measure["with_compare"]
            query = {
                "dimensions": [{"column": date_column}],
                "measures": [measure["name"]],
                "totals": {"shares": [measure["name"]]},
            }
            has_share = measure["with_share"] is not None and not measure["takes_last_value"]
            answered = await ask(people.bob, dataset, query)
            assert (answered.status_code == 200) is has_share
            assert (f"{measure['name']}_share" in answered.text) is has_share


async def test_filters_periods_and_options(people: People) -> None:
    schema = await schema_of(people.alice, "fct_transactions")
    assert {f["parameter"]: f["column"] for f in schema["filters"]} == {
        "start_date": "booking_date",
        "end_date": "booking_date",
        "account_ids": "account_id",
        "tag_ids": "tag_ids",
    }
    periods = by_name(schema["periods"])
    month = periods["this_month"]
    assert date.fromisoformat(month["first"]).day == 1
    assert month["first"] <= periods["today"]["first"] <= month["last"]
    assert schema["options"] == {
        "compare": ["previous_period", "previous_year"],
        "fill": ["zero", "null", "previous"],
        "totals": ["all", "grand", "none"],
    }
    tags = await schema_of(people.alice, "dim_tags")
    assert tags["periods"] == []
    assert tags["options"] == {"compare": [], "fill": [], "totals": []}
    assert {j["name"]: (j["dataset"], j["on"]) for j in schema["joins"]} == {
        "account": ("dim_accounts", "account_id"),
        "budget": ("dim_budgets", "budget_id"),
    }


async def test_the_limits_are_those_that_hold(people: People) -> None:
    limits = (await schema_of(people.alice, "dim_tags"))["limits"]
    assert (limits["rows"], limits["conditions"]) == (MAX_LIMIT, MAX_CONDITIONS)
    assert limits["seconds"] > 0
    for n, status in ((limits["rows"], 200), (limits["rows"] + 1, 422)):
        assert (await ask(people.alice, "dim_tags", {"limit": n})).status_code == status
    one = {"field": "name", "op": "eq", "value": "x"}
    for n, status in ((limits["conditions"], 200), (limits["conditions"] + 1, 422)):
        assert (await ask(people.alice, "dim_tags", {"filters": [one] * n})).status_code == status
    for n, status in ((limits["values"], 200), (limits["values"] + 1, 422)):
        listed = {"field": "name", "op": "in", "value": ["x"] * n}
        assert (await ask(people.alice, "dim_tags", {"filters": [listed]})).status_code == status


async def test_the_example_can_be_posted_as_it_is(people: People) -> None:
    for dataset in TABLES:
        for client in (people.alice, people.bob):
            example = (await schema_of(client, dataset))["example"]
            assert example["dataset"] == dataset
            assert None not in example.values()
            answer = await ask(client, dataset, example)
            assert answer.status_code == 200, answer.text


async def test_it_counts_and_describes_what_the_caller_sees(people: People) -> None:
    for client, rows, words in (
        (people.alice, 5, "Rows of your organization that you own."),
        (people.bob, 10, "All rows of your organization."),
        (people.mallory, 0, "All rows of your organization."),
    ):
        schema = await schema_of(client, "fct_transactions")
        assert (schema["row_count"], schema["row_filter"]) == (rows, words)
        assert schema["sample_questions"] == ["What did we spend?"]
        assert schema["generation"] == people.generation
        assert 0 <= schema["age_seconds"] < 300
    assert (await schema_of(people.bob, "dim_tags"))["tests_passed"] == 1


async def test_a_parameter_that_there_is_not_is_refused(people: People) -> None:
    problem = await refusal(people.bob, f"{DATASETS}/dim_tags/schema", fields="name")
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "fields")
