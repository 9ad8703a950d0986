"""The compiler's SQL, as it stands in `compiled/` and as DuckDB answers it.

`python -m tests.warehouse.test_compiler` writes the snapshots anew; read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from pydantic import ValidationError

from backend.errors import Forbidden, InvalidInput
from backend.periods import Calendar
from backend.scope import Role, Scope
from backend.warehouse.column_types import parse
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_counts, compile_query
from backend.warehouse.formats import json_array, json_statement
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import QuerySpec
from tests.warehouse.compiled_cases import (
    CASES,
    DATASETS,
    MEMBER,
    OWNER,
    SHARING,
    where,
    write_case_tables,
)
from tests.warehouse.hand_made import (
    ACME,
    ALICE,
    ALICES,
    BOB,
    BOBS,
    FOOD,
    NOON,
    ROOT,
    TEAM,
    TRAVEL,
    identity,
)

COMPILED = Path(__file__).with_name("compiled")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("marts") / "outlay.duckdb"
    write_case_tables(path)
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def compiled(scope: Scope, **spec: Any) -> Compiled:
    query = QuerySpec.model_validate(spec)
    dataset = DATASETS[query.dataset]
    return compile_query(dataset, resolve(dataset, query, NOON, Calendar()), scope)


def ask(connection: duckdb.DuckDBPyConnection, scope: Scope, **spec: Any) -> list[dict[str, Any]]:
    query = compiled(scope, **spec)
    rows = connection.execute(json_statement(query), dict(query.parameters)).fetchall()
    answer: list[dict[str, Any]] = json.loads(json_array(rows))
    return answer


def written(query: Compiled) -> str:
    names = ", ".join(f"${name}" for name in sorted(query.parameters))
    return f"-- {names}\n{query.sql}\n"


@pytest.mark.parametrize("case", CASES)
def test_the_sql_is_as_reviewed_and_runs(case: str, connection: duckdb.DuckDBPyConnection) -> None:
    query = CASES[case].compiled()
    assert written(query) == (COMPILED / f"{case}.sql").read_text()
    answered = connection.execute(query.sql, dict(query.parameters)).description
    names = [column[0] for column in answered]
    assert names[: len(query.columns)] == [column.name for column in query.columns]
    assert set(names) >= {key.name for key in query.keys}


@pytest.mark.parametrize("case", CASES)
def test_columns_are_of_the_types_that_they_name(
    case: str, connection: duckdb.DuckDBPyConnection
) -> None:
    query = CASES[case].compiled()
    described = connection.execute(f"DESCRIBE {query.sql}", dict(query.parameters)).fetchall()
    for column, (name, sql, *_) in zip(query.columns, described, strict=False):
        found = parse(sql)
        assert found is not None
        assert (name, found.name, found.scale) == (
            column.name,
            column.type.name,
            column.type.scale,
        )


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in COMPILED.glob("*.sql")} == set(CASES)


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(float(row["amount"])) for row in rows]


ALICES_NUMBERS, BOBS_NUMBERS = [1, 2, 3, 4, 5], [6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("role", "shared", "expected"),
    [
        (Role.OWNER, (), ALICES_NUMBERS + BOBS_NUMBERS),
        (Role.ADMIN, (), ALICES_NUMBERS + BOBS_NUMBERS),
        (Role.MANAGER, (), ALICES_NUMBERS + BOBS_NUMBERS),
        (Role.ANALYST, (BOBS,), ALICES_NUMBERS + BOBS_NUMBERS),
        (Role.MEMBER, (), ALICES_NUMBERS),
        (Role.MEMBER, (BOBS,), ALICES_NUMBERS + BOBS_NUMBERS),
        (Role.MEMBER, (ALICES, BOBS), ALICES_NUMBERS + BOBS_NUMBERS),  # nothing twice
        (Role.VIEWER, (), ALICES_NUMBERS),
    ],
    ids=lambda value: str(value) if isinstance(value, Role) else None,
)
def test_each_role_sees_its_rows_once(
    role: Role,
    shared: tuple[UUID, ...],
    expected: list[int],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    scope = Scope(ALICE, ACME, role, shared_account_ids=frozenset(shared))
    assert numbers(ask(connection, scope, dataset="fct_transactions")) == expected
    [total] = ask(connection, scope, dataset="fct_transactions", measures=["events"])
    assert total == {"events": len(expected)}


def test_a_stranger_sees_public_rows_only(connection: duckdb.DuckDBPyConnection) -> None:
    stranger = Scope(identity(99), identity(98), Role.OWNER)
    counts = compile_counts(list(DATASETS.values()), stranger)
    [row] = connection.execute(counts.sql, dict(counts.parameters)).fetchall()
    seen = {column.name: count for column, count in zip(counts.columns, row, strict=True)}
    assert {name for name, count in seen.items() if count} == {"dim_date"}


def test_sharing_from_another_organization_shows_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    scope = Scope(ALICE, identity(98), Role.MEMBER, shared_account_ids=frozenset({BOBS}))
    assert ask(connection, scope, dataset="fct_transactions") == []


def test_a_joined_name_is_shown_only_to_who_may_see_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    spec = {"dataset": "fct_transactions", "dimensions": [{"column": "budget.name"}]}
    accounts_only = Scope(BOB, ACME, Role.MEMBER, shared_account_ids=frozenset({ALICES}))
    assert ask(connection, accounts_only, **spec) == [{"budget.name": None}]
    assert {"budget.name": "Team"} in ask(connection, MEMBER, **spec)


def test_restricted_columns_are_empty_for_members(connection: duckdb.DuckDBPyConnection) -> None:
    spec = {"dataset": "dim_budgets", "fields": ["budget_id", "parent_id", "path"]}
    assert ask(connection, MEMBER, **spec) == [
        {"budget_id": str(TEAM), "parent_id": None, "path": None}
    ]
    assert {"budget_id": str(TEAM), "parent_id": str(ROOT), "path": "Everything / Team"} in ask(
        connection, OWNER, **spec
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"dataset": "dim_budgets", "filters": [where("path", "contains", "Every")]},
        {"dataset": "dim_budgets", "order": [{"field": "path"}]},
        {"dataset": "dim_budgets", "dimensions": [{"column": "path"}]},
        {"dataset": "dim_budgets", "measures": ["parents"]},
        {"dataset": "fct_transactions", "filters": [where("budget.path", "eq", "Everything")]},
        {"dataset": "fct_transactions", "dimensions": [{"column": "budget.parent_id"}]},
    ],
    ids=["filter", "order", "dimension", "measure", "joined filter", "joined dimension"],
)
def test_restricted_columns_cannot_be_probed(
    spec: dict[str, Any], connection: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(Forbidden, match=r"path|parent"):
        compiled(SHARING, **spec)
    ask(connection, OWNER, **spec)


def test_values_leave_exactly(connection: duckdb.DuckDBPyConnection) -> None:
    [row] = ask(
        connection,
        MEMBER,
        dataset="fct_transactions",
        fields=["booking_date", "amount", "currency", "tag_ids", "budget_id", "created_at"],
        limit=1,
    )
    assert row == {
        "booking_date": "2025-01-10",
        "amount": "1.0000",
        "currency": "EUR",
        "tag_ids": [str(FOOD)],
        "budget_id": str(TEAM),
        "created_at": "2025-03-10T12:00:00.000000Z",
    }


def test_amounts_of_two_currencies_are_never_added(connection: duckdb.DuckDBPyConnection) -> None:
    assert ask(connection, MEMBER, dataset="fct_transactions", measures=["total", "average"]) == [
        {"currency": "EUR", "total": "10.0000", "average": "2.5000"},
        {"currency": "USD", "total": "5.0000", "average": "5.0000"},
    ]


def test_a_ratio_is_rounded_half_away_from_zero_and_is_empty_over_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    spec = {"dataset": "fct_monthly_trends", "measures": ["savings_rate"]}
    assert ask(connection, MEMBER, **spec) == [{"currency": "EUR", "savings_rate": "0.333333"}]
    nothing = [where("month", "gt", "2030-01-01")]
    assert ask(connection, MEMBER, **spec, filters=nothing) == []
    [average] = compiled(OWNER, dataset="fct_transactions", measures=["average"]).columns[1:]
    assert average.type.name == "decimal"


def test_a_balance_is_the_last_of_its_period(connection: duckdb.DuckDBPyConnection) -> None:
    """Alice's runs to the 5th (500), Bob's ends on the 3rd (300)."""
    by_month = {"dimensions": [{"column": "balance_date", "grain": "month"}]}
    whole = ask(connection, OWNER, dataset="fct_daily_balance_history", measures=["balance"])
    assert whole == [{"currency": "EUR", "balance": "800.0000"}]
    [month] = ask(
        connection, OWNER, dataset="fct_daily_balance_history", measures=["balance"], **by_month
    )
    assert month["balance"] == "800.0000"
    days = ask(
        connection,
        OWNER,
        dataset="fct_daily_balance_history",
        measures=["balance"],
        dimensions=[{"column": "balance_date"}],
    )
    assert [day["balance"][:3] for day in days] == ["200", "400", "600", "400", "500"]


def test_overlapping_rows_are_not_added_up(connection: duckdb.DuckDBPyConnection) -> None:
    spec = {"dataset": "fct_daily_spending_by_tag", "measures": ["spent"]}
    several = [where("tag_id", "in", [str(FOOD), str(TRAVEL)])]
    for extra in ({}, {"dimensions": [{"column": "tag.name"}]}, {"filters": several}):
        with pytest.raises(InvalidInput, match="or ask fct_transactions"):
            compiled(OWNER, **spec, **extra)
    for one in (where("tag_id", "eq", str(FOOD)), where("tag_id", "is_null", True)):
        [row] = ask(connection, OWNER, **spec, filters=[one])
        assert row["spent"] == "10.0000"
    by_tag = ask(connection, OWNER, **spec, dimensions=[{"column": "tag_id"}])
    assert [row["tag_id"] for row in by_tag] == [str(FOOD), str(TRAVEL), None]


@pytest.mark.parametrize("grain", ["day", "week"])
def test_a_month_has_no_finer_periods(grain: str) -> None:
    with pytest.raises(InvalidInput, match="is by month") as refusal:
        compiled(
            OWNER, dataset="fct_monthly_trends", dimensions=[{"column": "month", "grain": grain}]
        )
    assert refusal.value.errors[0].pointer == "#/dimensions/0/grain"


@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "year"])
def test_periods_begin_on_their_first_day(
    grain: str, connection: duckdb.DuckDBPyConnection
) -> None:
    rows = ask(
        connection,
        MEMBER,
        dataset="fct_transactions",
        dimensions=[{"column": "booking_date", "grain": grain}],
        filters=[where("booking_date", "eq", "2025-05-10")],
    )
    first = {"day": "05-10", "week": "05-05", "month": "05-01", "quarter": "04-01", "year": "01-01"}
    assert rows == [{f"booking_date_{grain}": f"2025-{first[grain]}"}]


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": ({"fields": ["amont"]}, "#/fields/0", "Did you mean 'amount'"),
    "hostile field": ({"fields": ['amount" FROM x --']}, "#/fields/0", "Known"),
    "hostile join": ({"fields": ['account"."name']}, "#/fields/0", "account.name"),
    "unknown join": ({"fields": ["tag.name"]}, "#/fields/0", "name"),
    "unknown dimension": ({"dimensions": [{"column": "vendr"}]}, "#/dimensions/0/column", "vendor"),
    "list as dimension": (
        {"dimensions": [{"column": "tag_ids"}]},
        "#/dimensions/0/column",
        "is a list",
    ),
    "grain of a text": (
        {"dimensions": [{"column": "vendor", "grain": "month"}]},
        "#/dimensions/0/grain",
        "no periods",
    ),
    "unknown measure": ({"measures": ["totl"]}, "#/measures/0", "Did you mean 'total'"),
    "measure twice": ({"measures": ["total", "total"]}, "#/measures", "asked for twice"),
    "field twice": ({"fields": ["amount", "amount"]}, "#/fields", "asked for twice"),
    "rows and groups": ({"fields": ["amount"], "measures": ["total"]}, "#/fields", "combined"),
    "unknown filter": ({"filters": [where("x", "eq", 1)]}, "#/filters/0/field", "Known"),
    "operator of another type": (
        {"filters": [where("vendor", "gte", "a")]},
        "#/filters/0/op",
        "Known: contains, eq",
    ),
    "operator of a list": ({"filters": [where("tag_ids", "eq", "a")]}, "#/filters/0/op", "in"),
    "contains a number": ({"filters": [where("amount", "contains", "1")]}, "#/filters/0/op", "eq"),
    "not an id": ({"filters": [where("account_id", "eq", "1")]}, "#/filters/0/value", "UUID"),
    "not an id in a list": (
        {"filters": [where("account_id", "in", [str(BOBS), "{}"])]},
        "#/filters/0/value/1",
        "UUID",
    ),
    "a list for one": ({"filters": [where("vendor", "eq", ["a"])]}, "#/filters/0/value", "text"),
    "one for a list": ({"filters": [where("vendor", "in", "a")]}, "#/filters/0/value", "a list"),
    "nothing": ({"filters": [where("vendor", "eq", None)]}, "#/filters/0/value", "text"),
    "not a date": (
        {"filters": [where("booking_date", "eq", "2025-02-30")]},
        "#/filters/0/value",
        "a date such as",
    ),
    "a timestamp for a date": (
        {"filters": [where("booking_date", "eq", "1735689600")]},
        "#/filters/0/value",
        "a date such as",
    ),
    "reversed range": (
        {"filters": [where("booking_date", "between", ["2025-02-01", "2025-01-01"])]},
        "#/filters/0/value",
        "lowest value comes first",
    ),
    "range of three": (
        {"filters": [where("amount", "between", ["1", "2", "3"])]},
        "#/filters/0/value",
        "lowest and the highest",
    ),
    "inexact money": ({"filters": [where("amount", "eq", 0.1)]}, "#/filters/0/value", "decimal"),
    "huge money": ({"filters": [where("amount", "gt", "1e40")]}, "#/filters/0/value", "digits"),
    "long money": ({"filters": [where("amount", "gt", "9" * 27)]}, "#/filters/0/value", "digits"),
    "tiny money": ({"filters": [where("amount", "gt", "1e-40")]}, "#/filters/0/value", "digits"),
    "money that is none": (
        {"filters": [where("amount", "gt", "NaN")]},
        "#/filters/0/value",
        "finite",
    ),
    "zero byte": ({"filters": [where("vendor", "eq", "a\x00")]}, "#/filters/0/value", "NUL"),
    "half a character": (
        {"filters": [where("vendor", "eq", "\ud800")]},
        "#/filters/0/value",
        "Unicode",
    ),
    "long text": ({"filters": [where("vendor", "eq", "x" * 1001)]}, "#/filters/0/value", "1000"),
    "many values": (
        {"filters": [where("vendor", "in", ["x"] * 1001)]},
        "#/filters/0/value",
        "at most 1000",
    ),
    "emptiness of a text": (
        {"filters": [where("vendor", "is_null", 1)]},
        "#/filters/0/value",
        "true",
    ),
    "unknown order": ({"order": [{"field": "amount;"}]}, "#/order/0/field", "amount"),
    "order by what is not shown": (
        {"measures": ["total"], "order": [{"field": "vendor"}]},
        "#/order/0/field",
        "Known: currency, total",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_dataset_lacks_is_refused_by_name(case: str) -> None:
    spec, pointer, reason = REFUSED[case]
    with pytest.raises(InvalidInput) as refusal:
        compiled(OWNER, dataset="fct_transactions", **spec)
    [fault] = refusal.value.errors
    assert fault.pointer == pointer
    assert reason in fault.detail
    assert "SELECT" not in refusal.value.detail


MONTHS = [{"column": "booking_date", "grain": "month"}]
BOUNDED = [where("booking_date", "during", "this_year")]
TAGS = {"dataset": "fct_daily_spending_by_tag", "measures": ["spent"]}
REFUSED_GROUPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "having of rows": ({"having": [where("amount", "gt", "1")]}, "#/having", "dimensions or"),
    "comparison of rows": ({"compare": "previous_year", "filters": BOUNDED}, "#/compare", "needs"),
    "filled rows": ({"fill": "zero", "filters": BOUNDED}, "#/fill", "needs"),
    "totals of rows": ({"totals": {}}, "#/totals", "needs"),
    "totals of everything": ({"measures": ["total"], "totals": {}}, "#/totals", "dimensions"),
    "fill without periods": (
        {"measures": ["total"], "fill": "zero", "filters": BOUNDED},
        "#/fill",
        "among the dimensions, once",
    ),
    "fill along two": (
        {
            "dimensions": [*MONTHS, {"column": "booking_date"}],
            "fill": "zero",
            "filters": BOUNDED,
        },
        "#/fill",
        "once",
    ),
    "too many periods": (
        {
            "dimensions": [{"column": "booking_date"}],
            "fill": "zero",
            "filters": [where("booking_date", "between", ["1990-01-01", "2025-01-01"])],
        },
        "#/fill",
        "at most 10000 periods",
    ),
    "having of a key": (
        {"dimensions": MONTHS, "measures": ["total"], "having": [where("currency", "eq", "EUR")]},
        "#/having/0/field",
        "Known: total",
    ),
    "hostile having": (
        {"measures": ["total"], "having": [{"or": [where('total" OR true --', "eq", "1")]}]},
        "#/having/0/or/0/field",
        "total",
    ),
    "having of another type": (
        {"measures": ["events"], "having": [where("events", "contains", "1")]},
        "#/having/0/op",
        "eq",
    ),
    "share of what is not asked for": (
        {"dimensions": MONTHS, "measures": ["events"], "totals": {"shares": ["total"]}},
        "#/totals/shares/0",
        "not among",
    ),
    "share of an average": (
        {"dimensions": MONTHS, "measures": ["average"], "totals": {"shares": ["average"]}},
        "#/totals/shares/0",
        "not a sum or a count",
    ),
    "share of a balance by month": (
        {
            "dataset": "fct_daily_balance_history",
            "dimensions": [{"column": "balance_date", "grain": "month"}],
            "measures": ["balance"],
            "totals": {"shares": ["balance"]},
        },
        "#/totals/shares/0",
        "last value over time",
    ),
    "total of what overlaps": (
        {**TAGS, "dimensions": [{"column": "tag_id"}], "totals": {}},
        "#/measures/0",
        "not additive over 'tag_id'",
    ),
    "one of two tags": (
        {
            **TAGS,
            "filters": [{"or": [where("tag_id", "eq", str(FOOD)), where("currency", "eq", "EUR")]}],
        },
        "#/measures/0",
        "not additive over 'tag_id'",
    ),
    "order by a difference that is not made": (
        {"measures": ["events"], "order": [{"field": "events_delta"}]},
        "#/order/0/field",
        "Did you mean 'events'",
    ),
}


@pytest.mark.parametrize("case", REFUSED_GROUPS)
def test_groups_that_mean_nothing_are_refused_by_name(case: str) -> None:
    spec, pointer, reason = REFUSED_GROUPS[case]
    with pytest.raises(InvalidInput) as refusal:
        compiled(OWNER, **{"dataset": "fct_transactions", **spec})
    [fault] = refusal.value.errors
    assert fault.pointer == pointer
    assert reason in fault.detail


def test_what_overlaps_is_refused_with_a_way_out() -> None:
    summed = {"dimensions": [{"column": "tag_id"}], "totals": {}}
    for options, way_out in (({}, "Group by 'tag_id'"), (summed, "Leave totals out")):
        with pytest.raises(InvalidInput, match=f"{way_out}, filter by one value"):
            compiled(OWNER, **TAGS, **options)


@pytest.mark.parametrize(
    "spec",
    [
        {"filters": [where("amount", "eq OR 1=1", "1")]},
        {"filters": [{"not": [where("amount", "eq", "1")]}]},
        {"filters": [{"and": [], "or": []}]},
        {"filters": [{"or": []}]},
        {"order": [{"field": "amount", "descending": "DESC; --"}]},
        {"order": [{"field": "amount", "direction": "desc"}]},
        {"dimensions": [{"column": "booking_date", "grain": "day'); --"}]},
        {"compare": "previous_century"},
        {"fill": "one"},
        {"totals": {"subtotals": "some"}},
        {"limit": "1; --"},
        {"limit": 10_001},
        {"offset": -1},
        {"sql": "SELECT 1"},
    ],
    ids=str,
)
def test_words_that_the_contract_lacks_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QuerySpec.model_validate({"dataset": "fct_transactions", **spec})


def test_a_cursor_of_another_query_is_refused() -> None:
    dataset = DATASETS["fct_transactions"]
    resolved = resolve(dataset, QuerySpec(dataset=dataset.id), NOON, Calendar())
    with pytest.raises(InvalidInput, match="not of this query"):
        compile_query(dataset, resolved, OWNER, Paging(after=(1, 2)))


@pytest.mark.parametrize("op", ["eq", "contains"])
@pytest.mark.parametrize("hostile", ["'; DROP TABLE x; --", '" OR true', "$me", "\\", "/*"])
def test_text_is_only_ever_a_value(
    op: str, hostile: str, connection: duckdb.DuckDBPyConnection
) -> None:
    marked = f"zz{hostile}"
    query = compiled(OWNER, dataset="fct_transactions", filters=[where("vendor", op, marked)])
    assert "zz" not in query.sql
    assert marked in query.parameters.values()
    assert connection.execute(query.sql, dict(query.parameters)).fetchall() == []


@pytest.mark.parametrize("wildcard", ["%", "_", "Vendor%"])
def test_contains_knows_no_wildcards(wildcard: str, connection: duckdb.DuckDBPyConnection) -> None:
    filters = [where("vendor", "contains", wildcard)]
    assert ask(connection, OWNER, dataset="fct_transactions", filters=filters) == []


def test_ne_is_the_complement_of_eq(connection: duckdb.DuckDBPyConnection) -> None:
    def count(op: str, value: Any) -> int:
        [row] = ask(
            connection,
            OWNER,
            dataset="fct_transactions",
            measures=["events"],
            filters=[where("budget_id", op, value)],
        )
        return int(row["events"])

    assert count("eq", str(TEAM)) + count("ne", str(TEAM)) == 10
    assert count("in", [str(TEAM)]) + count("not_in", [str(TEAM)]) == 10
    assert count("not_in", []) == 10


def test_pages_repeat_and_miss_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    for order in ([], [{"field": "currency"}], [{"field": "vendor", "descending": True}]):
        spec = {"dataset": "fct_transactions", "fields": ["amount"], "order": order}
        whole = ask(connection, SHARING, **spec)
        pages = [ask(connection, SHARING, **spec, limit=3, offset=n) for n in range(0, 12, 3)]
        assert [row for page in pages for row in page] == whole
        assert len(whole) == 10


def test_compiling_is_pure() -> None:
    for case in CASES.values():
        assert case.compiled() == case.compiled()


if __name__ == "__main__":
    for name, each in CASES.items():
        (COMPILED / f"{name}.sql").write_text(written(each.compiled()))
