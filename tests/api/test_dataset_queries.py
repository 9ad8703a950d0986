"""Questions to a dataset, by parameters and by a body: what they answer and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from backend.warehouse.spec import Operator
from tests.api.marts import DATASETS, QUERY, People, get, refusal
from tests.warehouse.hand_made import ALICES, BOBS, FOOD, TEAM, TRAVEL


def numbers(answer: dict[str, Any]) -> list[int]:
    """The transactions of the answer: 1 to 5 are Alice's, 6 to 10 Bob's."""
    return [int(row["amount"][:-5]) for row in answer["rows"]]


CONDITIONS: dict[str, tuple[str, list[int]]] = {
    "eq": ("amount[eq]=7", [7]),
    "eq of text with a comma": ("vendor[eq]=Vendor 1,Vendor 2", []),
    "eq of nothing": ("vendor[eq]=", []),
    "ne": ("amount[ne]=7.00", [1, 2, 3, 4, 5, 6, 8, 9, 10]),
    "in": ("amount[in]=7,8,99", [7, 8]),
    "in, repeated": ("amount[in]=7&amount[in]=8,9", [7, 8, 9]),
    "in, of nothing": ("amount[in]=", []),
    "in, of a list": (f"tag_ids[in]={FOOD},{TRAVEL}", [1, 3, 5, 6, 8, 10]),
    "not_in": ("amount[not_in]=1,2,3,4,5,6", [7, 8, 9, 10]),
    "gte": ("amount[gte]=9", [9, 10]),
    "lte": ("amount[lte]=2", [1, 2]),
    "gt": ("amount[gt]=9.0", [10]),
    "lt": ("amount[lt]=2", [1]),
    "between": ("amount[between]=3,4", [3, 4]),
    "between, repeated": ("amount[between]=3&amount[between]=4.0", [3, 4]),
    "during": ("booking_date[during]=2025-02-01,2025-03-31", [2, 3, 7, 8]),
    "during a named period": ("booking_date[during]=last_month", []),
    "is_null": ("budget_id[is_null]=true", [6, 7, 8, 9, 10]),
    "is_null, not": ("budget_id[is_null]=false", [1, 2, 3, 4, 5]),
    "contains": ("vendor[contains]=OR 2", [2, 5, 7, 10]),
    "contains, of a list": (f"tag_ids[contains]={FOOD}", [1, 3, 5, 6, 8, 10]),
    "starts_with": ("vendor[starts_with]=vendor 0", [3, 8]),
    "of a joined name": (f"account.name[eq]=Account {BOBS.int}", [6, 7, 8, 9, 10]),
    "several, of which all hold": ("amount[gte]=3&amount[lte]=7&vendor[ne]=Vendor 2", [3, 4, 6]),
    "beside the others": (f"amount[gte]=3&account_ids={ALICES}&end_date=2025-04-30", [3, 4]),
}


async def test_conditions_on_columns(people: People) -> None:
    for case, (query, expected) in CONDITIONS.items():
        response = await people.bob.get(f"{QUERY}?{query}")
        assert response.status_code == 200, (case, response.text)
        assert numbers(response.json()) == expected, case


def test_every_operator_is_tried() -> None:
    assert {case.split()[0].strip(",") for case in CONDITIONS} >= set(Operator)


async def test_numbers_and_booleans_are_read_as_their_columns_are(people: People) -> None:
    async def days(condition: str) -> int:
        answer = await people.bob.get(f"{DATASETS}/dim_date/query?{condition}")
        return len(answer.json()["rows"])

    assert await days("is_weekend[eq]=true") == 2
    assert await days("is_weekend[in]=true,false") == 7
    spending = f"{DATASETS}/fct_daily_spending_by_tag/query"
    assert len((await get(people.bob, spending, **{"transactions[lte]": "1"}))["rows"]) == 6
    problem = await refusal(people.bob, spending, **{"transactions[lte]": "1.5"})
    assert problem["errors"] == [
        {"pointer": "transactions[lte]", "detail": "must be a whole number"}
    ]


async def test_fields_and_order(people: People) -> None:
    answer = await get(
        people.bob, QUERY, fields="vendor, amount,account.name", sort="-vendor,-amount", limit=3
    )
    assert [column["name"] for column in answer["columns"]] == ["vendor", "amount", "account.name"]
    assert [list(row) for row in answer["rows"]] == [["vendor", "amount", "account.name"]] * 3
    assert numbers(answer) == [10, 7, 5]
    by_what_is_hidden = await get(people.bob, QUERY, fields="amount", sort="-created_at,-amount")
    assert numbers(by_what_is_hidden) == list(range(10, 0, -1))


async def test_another_time_zone_has_other_days(people: People) -> None:
    noon = {"created_at[during]": "2025-03-11,2025-03-11"}  # all were made at noon before, UTC
    assert numbers(await get(people.bob, QUERY, **noon)) == []
    far_east = await get(people.bob, QUERY, **noon, time_zone="Pacific/Kiritimati")
    assert len(numbers(far_east)) == 10


REFUSED: dict[str, tuple[str, str, str]] = {
    "a parameter there is not": ("sorted=vendor", "sorted", "Did you mean 'sort'?"),
    "a bare column": ("vendor=x", "vendor", "written column[operator]=value"),
    "an operator there is not": ("vendor[like]=x", "vendor[like]", "no such operator. Known: bet"),
    "an operator misspelt": ("vendor[contain]=x", "vendor[contain]", "Did you mean 'contains' or"),
    "an operator in capitals": ("vendor[EQ]=x", "vendor[EQ]", "no such operator"),
    "an operator of other columns": ("amount[contains]=1", "amount[contains]", "Known: between"),
    "a column there is not": ("vendr[eq]=x", "vendr[eq]", "Did you mean 'vendor'?"),
    "a column of nothing": ("[eq]=x", "[eq]", "column[operator]=value"),
    "brackets in brackets": ("vendor[eq[]]=x", "vendor[eq[]]", "column[operator]=value"),
    "an amount in words": ("amount[gte]=ten", "amount[gte]", "decimal"),
    "an amount without end": ("amount[gte]=Infinity", "amount[gte]", "finite"),
    "one of two amounts": ("amount[between]=1", "amount[between]", "lowest and the highest"),
    "ends the wrong way round": ("amount[between]=2,1", "amount[between]", "lowest value comes"),
    "a day there is not": (
        "booking_date[gte]=2025-02-30",
        "booking_date[gte]",
        "must be a date su",
    ),
    "an instant in words": ("created_at[gte]=now", "created_at[gte]", "must be an instant such as"),
    "an instant whose + is a blank": (
        "created_at[gte]=2025-01-31T12:00:00+01:00",
        "created_at[gte]",
        "must be an instant such as 2025-01-31T12:00:00Z",
    ),
    "an instant before all others": (
        "created_at[gte]=0001-01-01T00:00:00%2B14:00",
        "created_at[gte]",
        "must be an instant",
    ),
    "ids in brackets": ("account_ids[]=x", "account_ids[]", "without brackets: account_ids="),
    "neither true nor false": ("vendor[is_null]=yes", "vendor[is_null]", "true or false"),
    "a period there is not": ("booking_date[during]=lastmonth", "booking_date[during]", "last_mo"),
    "a condition twice": ("amount[gte]=1&amount[gte]=2", "amount[gte]", "Give it once."),
    "fields there are not": ("fields=vendor,amnt", "fields", "Did you mean 'amount'?"),
    "a field twice": ("fields=vendor,vendor", "fields", "twice"),
    "no field": ("fields=", "fields", "Known"),
    "an order there is not": ("sort=-amnt", "sort", "Did you mean 'amount'?"),
    "a direction in words": ("sort=amount desc", "sort", "Did you mean 'amount'?"),
    "too many orders": (f"sort={','.join(['amount'] * 21)}", "sort", "at most 20"),
    "a page in two places": ("cursor=x&offset=1", "cursor", "not both"),
    "a time zone there is not": ("time_zone=Mars/Olympus", "time_zone", "Europe/Zurich"),
    "a moment in words": ("as_of=yesterday", "as_of", "an instant"),
    "a moment there is not": ("as_of=2025-13-45T00:00Z", "as_of", "an instant"),
    "a moment without its offset": ("as_of=2025-01-31", "as_of", "as 2025-01-31T12:00:00Z, or"),
    "what is for POST": ("measures=total", "measures", "POST the query"),
    "what is for POST, too": ("compare=previous_year", "compare", "POST the query"),
}


async def test_what_is_wrong_is_said_of_the_parameter(people: People) -> None:
    for case, (query, pointer, words) in REFUSED.items():
        response = await people.bob.get(f"{QUERY}?{query}")
        assert response.status_code == 422, (case, response.text)
        fault = response.json()["errors"][0]
        assert fault["pointer"] == pointer, case
        assert words in fault["detail"], case


HOSTILE_NAMES = [
    'vendor" OR 1=1 --',
    "vendor; DROP TABLE marts.dim_tags",
    "account.name; --",
    "base._rowid",
    "_rowid",
    "rowid",
    "account.organization_id) FROM x --",
    "\u202evendor",
    "vendor\u0000",
    "main.fct_transactions.amount",
    "a" * 5_000,
    "$organization",
    "*",
    "",
]


async def test_hostile_names_are_refused_by_name_and_without_sql(people: People) -> None:
    for name in HOSTILE_NAMES:
        for parameters in (
            {"fields": name},
            {"sort": name},
            {"sort": f"-{name}"},
            {f"{name}[eq]": "1"},
            {name or "[]": "1"},
        ):
            problem = await refusal(people.bob, QUERY, **parameters)
            assert problem["status"] == 422
            _is_harmless(str(problem))
        for pointer, body in bodies_with(name):
            response = await people.bob.post(QUERY, json=body)
            assert response.status_code == 422, (body, response.text)
            assert response.json()["errors"][0]["pointer"] == pointer
            _is_harmless(response.text)


def bodies_with(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name wherever a query names something, and where that is."""
    events, vendors = {"measures": ["events"]}, {"dimensions": [{"column": "vendor"}]}
    leaf = {"field": name, "op": "gt", "value": 1}
    yield "#/fields/0", {"fields": [name]}
    yield "#/dimensions/0/column", events | {"dimensions": [{"column": name}]}
    yield "#/measures/0", {"measures": [name]}
    yield "#/order/0/field", {"order": [{"field": name}]}
    yield "#/order/0/field", events | {"order": [{"field": name, "descending": True}]}
    yield "#/filters/0/field", {"filters": [leaf]}
    yield "#/filters/0/or/0/and/0/field", {"filters": [{"or": [{"and": [leaf]}]}]}
    yield "#/having/0/field", events | {"having": [leaf]}
    yield "#/totals/shares/0", events | vendors | {"totals": {"shares": [name]}}


def _is_harmless(text: str) -> None:
    upper = text.upper()
    assert not any(word in upper for word in ("SELECT", "DUCKDB", "BINDER", "PARSER", "MARTS.FCT"))
    assert "\u202e" not in text
    assert len(text) < 10_000


async def ask(client: httpx.AsyncClient, body: Any, dataset: str = "fct_transactions") -> Any:
    response = await client.post(f"{DATASETS}/{dataset}/query", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_whole_query(people: People) -> None:
    body = {
        "dataset": "fct_transactions",
        "dimensions": [{"column": "booking_date", "grain": "quarter"}, {"column": "account.name"}],
        "measures": ["total", "events"],
        "filters": [
            {"or": [{"field": "amount", "op": "lte", "value": 2}, {"and": [
                {"field": "amount", "op": "between", "value": ["6", "9"]},
                {"field": "currency", "op": "eq", "value": "EUR"},
            ]}]},
        ],
        "having": [{"field": "events", "op": "gte", "value": 2}],
        "order": [{"field": "total", "descending": True}],
        "totals": {"subtotals": "grand"},
    }  # fmt: skip
    answer = await ask(people.bob, body)
    shown = ("booking_date_quarter", "account.name", "total", "events")
    assert [[row[name] for name in shown] for row in answer["rows"]] == [
        [None, None, "33.0000", 6],
        ["2025-01-01", f"Account {BOBS.int}", "21.0000", 3],
        ["2025-01-01", f"Account {ALICES.int}", "3.0000", 2],
    ]
    assert answer.keys() == {"columns", "rows", "generation", "as_of", "next_cursor"}


async def test_a_limit_may_be_written_as_any_whole_number(people: People) -> None:
    assert len((await ask(people.bob, {"limit": 3.0, "offset": 1e0}))["rows"]) == 3


async def test_a_body_without_anything_is_every_row(people: People) -> None:
    for client, count in ((people.bob, 10), (people.alice, 5), (people.mallory, 0)):
        assert len((await ask(client, {}))["rows"]) == count


async def test_a_post_says_what_a_get_says(people: People) -> None:
    by_get = await people.bob.get(f"{QUERY}?amount[gte]=4&sort=-amount&limit=3")
    body = {
        "filters": [{"field": "amount", "op": "gte", "value": "4"}],
        "order": [{"field": "amount", "descending": True}],
        "limit": 3,
    }
    by_post = await people.bob.post(QUERY, json=body, headers={"If-None-Match": "*"})
    assert by_post.status_code == 200
    assert by_post.headers["etag"] == by_get.headers["etag"]
    assert by_post.content == by_get.content
    for name in ("cache-control", "vary", "outlay-stale", "outlay-generation", "outlay-as-of"):
        assert by_post.headers[name] == by_get.headers[name]


async def test_ids_in_a_body_are_values_like_others(people: People) -> None:
    hers = {"filters": [{"field": "account_id", "op": "in", "value": [str(ALICES), str(BOBS)]}]}
    assert len((await ask(people.alice, hers))["rows"]) == 5
    assert (await ask(people.mallory, hers))["rows"] == []
    team = {"filters": [{"field": "budget_id", "op": "eq", "value": str(TEAM)}]}
    assert len((await ask(people.alice, team))["rows"]) == 5


FAULTS: dict[str, tuple[Any, str, str]] = {
    "another dataset": ({"dataset": "dim_tags"}, "#/dataset", "Leave it out"),
    "a field there is not": ({"limits": 1}, "#/limits", "Did you mean 'limit'?"),
    "an operator there is not": (
        {"filters": [{"field": "amount", "op": "gteq", "value": 1}]},
        "#/filters/0/op",
        "Did you mean 'gte'",
    ),
    "an operator deep down": (
        {"filters": [{"or": [{"and": [{"field": "amount", "op": "x", "value": 1}]}]}]},
        "#/filters/0/or/0/and/0/op",
        "'starts_with'",
    ),
    "no value": ({"filters": [{"field": "a", "op": "eq"}]}, "#/filters/0/value", "required"),
    "an object for a value": (
        {"filters": [{"field": "a", "op": "eq", "value": {"sql": "1"}}]},
        "#/filters/0/value",
        "Must be a value, or a list of values.",
    ),
    "nothing for a value": (
        {"filters": [{"field": "vendor", "op": "in", "value": ["x", None]}]},
        "#/filters/0/value/1",
        "must be text; is_null finds what is missing",
    ),
    "neither filter nor tree": ({"filters": ["x"]}, "#/filters/0", "object"),
    "a filter and a tree": (
        {"filters": [{"and": [{"field": "vendor", "op": "eq", "value": 1}], "field": "a"}]},
        "#/filters/0/field",
        "does not go with",
    ),
    "a tree in capitals": (
        {"filters": [{"field": "a", "op": "eq", "value": 1, "AND": []}]},
        "#/filters/0/AND",
        "Known: and, field, op, or, value.",
    ),
    "a field there is not, deep down": (
        {"dimensions": [{"column": "booking_date", "grian": "month"}]},
        "#/dimensions/0/grian",
        "There is no such field. Did you mean 'grain'?",
    ),
    "another word for a field": (
        {"order": [{"field": "amount", "direction": "desc"}]},
        "#/order/0/direction",
        "Known: descending, field.",
    ),
    "a field of totals there is not": (
        {"totals": {"share": ["total"]}},
        "#/totals/share",
        "Did you mean 'shares'?",
    ),
    "one measure without its list": ({"measures": "total"}, "#/measures", "Must be a list."),
    "an empty tree": ({"filters": [{"or": []}]}, "#/filters/0/or", "at least 1"),
    "a grain there is not": (
        {"dimensions": [{"column": "booking_date", "grain": "months"}]},
        "#/dimensions/0/grain",
        "Did you mean 'month'",
    ),
    "an order that is text": ({"order": ["-amount"]}, "#/order/0", "object"),
    "a direction in words": (
        {"order": [{"field": "amount", "descending": "desc; DROP"}]},
        "#/order/0/descending",
        "boolean",
    ),
    "a limit in quotes": ({"limit": "10"}, "#/limit", "integer"),
    "a limit too large": ({"limit": 10_001}, "#/limit", "at most 10000 rows. Go on with"),
    "subtotals there are not": (
        {"totals": {"subtotals": "grant"}},
        "#/totals/subtotals",
        "Did you mean 'grand'",
    ),
    "a comparison there is not": ({"compare": "last_year"}, "#/compare", "previous_year"),
    "a fill of rows": ({"fill": "zero"}, "#/fill", "a first and a last day"),
    "a list": ([], "#", "JSON object, sent with `Content-Type: application/json`"),
    "nothing": (None, "#", "required"),
}


async def test_what_is_wrong_is_said_of_its_place_in_the_body(people: People) -> None:
    for case, (body, pointer, words) in FAULTS.items():
        response = await people.bob.post(QUERY, json=body)
        assert response.status_code == 422, (case, response.text)
        faults = response.json()["errors"]
        assert [fault["pointer"] for fault in faults] == [pointer], case
        assert words in faults[0]["detail"], case


async def test_not_json_and_too_deep(people: People) -> None:
    kind = {"Content-Type": "application/json"}
    assert (await people.bob.post(QUERY, content=b"{", headers=kind)).status_code == 422
    deep = '{"filters":[' + '{"and":[' * 5_000 + "]}" * 5_000 + "]}"
    assert (await people.bob.post(QUERY, content=deep, headers=kind)).status_code == 422
    for value in ("NaN", "Infinity"):
        body = f'{{"filters":[{{"field":"amount","op":"eq","value":{value}}}]}}'
        assert (await people.bob.post(QUERY, content=body, headers=kind)).status_code == 422


async def test_a_post_takes_no_parameters(people: People) -> None:
    response = await people.bob.post(f"{QUERY}?limit=5", json={})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "limit"


async def test_what_is_restricted_is_searched_by_those_only_who_see_it(people: People) -> None:
    budgets = f"{DATASETS}/dim_budgets/query"
    parameters = {"path[contains]": "Every"}
    assert len((await get(people.bob, budgets, **parameters))["rows"]) == 2
    problem = await refusal(people.alice, budgets, **parameters)
    assert (problem["status"], problem["errors"][0]["pointer"]) == (403, "path[contains]")
    assert (await refusal(people.alice, budgets, sort="-path"))["status"] == 403


async def test_unknown_datasets(people: People, stranger: httpx.AsyncClient) -> None:
    for dataset in ("fct_transaction", "dim_date%22", "..%2Fsecret"):
        response = await people.bob.post(f"{DATASETS}/{dataset}/query", json={})
        assert response.status_code == 404, response.text
    assert (await stranger.post(QUERY, json={})).status_code == 401
    assert (await stranger.get(QUERY)).status_code == 401
