"""What a query means once its dates are put in, and which queries mean nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from backend.errors import InvalidInput
from backend.periods import Calendar, Period
from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.resolve import ResolvedSpec, resolve
from backend.warehouse.spec import And, Filter, QuerySpec
from backend.warehouse.values import read_value
from tests.warehouse.compiled_cases import DATASETS, where
from tests.warehouse.hand_made import NOON

DATE = "booking_date"


def resolved(
    *filters: dict[str, Any], now: datetime = NOON, calendar: Calendar | None = None, **spec: Any
) -> ResolvedSpec:
    spec = {"dataset": "fct_transactions", "measures": ["events"], "filters": filters, **spec}
    query = QuerySpec.model_validate(spec)
    return resolve(DATASETS[query.dataset], query, now, calendar or Calendar())


def days_of(answer: ResolvedSpec) -> Any:
    [(_, condition)] = answer.conditions
    assert isinstance(condition, Filter)
    return condition.value


def test_names_become_days() -> None:
    asked = resolved(where(DATE, "during", "last_month"))
    assert days_of(asked) == [date(2025, 2, 1), date(2025, 2, 28)]


def test_names_become_days_deep_within() -> None:
    asked = resolved({"or": [{"and": [where(DATE, "during", "today")]}, where("vendor", "eq", "")]})
    assert "2025-03-10" in asked.spec.model_dump_json()
    assert "today" not in asked.spec.model_dump_json()


def test_today_is_that_of_the_query_else_of_the_organization() -> None:
    late = datetime(2025, 3, 10, 23, 30, tzinfo=UTC)
    auckland = Calendar("Pacific/Auckland")
    asked = where(DATE, "during", "today")
    assert days_of(resolved(asked, now=late))[0] == date(2025, 3, 10)
    assert days_of(resolved(asked, now=late, calendar=auckland))[0] == date(2025, 3, 11)
    own = resolved(asked, now=late, calendar=auckland, time_zone="UTC")
    assert days_of(own)[0] == date(2025, 3, 10)


def test_rows_that_stand_for_months_count_whole() -> None:
    asked = resolved(
        where("month", "during", "last_30_days"),
        dataset="fct_monthly_trends",
        measures=["income"],
    )
    assert days_of(asked) == [date(2025, 2, 1), date(2025, 3, 10)]


def test_the_period_is_what_all_bounds_leave() -> None:
    asked = resolved(
        where(DATE, "gt", "2025-01-01"),
        {"and": [where(DATE, "lt", "2025-02-01"), where("vendor", "eq", "x")]},
        where(DATE, "during", "this_year"),
        compare="previous_period",
    )
    assert asked.period == Period(date(2025, 1, 2), date(2025, 1, 31))
    [(pointer, condition)] = asked.conditions
    assert pointer == "#/filters/1/and/1"
    assert isinstance(condition, Filter)
    assert condition.field == "vendor"


def test_other_conditions_on_the_date_are_no_bounds() -> None:
    either = {"or": [where(DATE, "eq", "2025-01-01"), where(DATE, "eq", "2025-01-03")]}
    with pytest.raises(InvalidInput, match="needs a first and a last day"):
        resolved(either, where(DATE, "ne", "2025-01-02"), compare="previous_period")


def test_month_to_date_is_compared_with_as_many_days() -> None:
    asked = resolved(where(DATE, "during", "month_to_date"), compare="previous_period")
    assert asked.earlier is not None
    assert asked.earlier.period == Period(date(2025, 2, 1), date(2025, 2, 10))


def test_equal_questions_have_one_fingerprint() -> None:
    last_month = where(DATE, "during", "last_month")
    february = where(DATE, "during", ["2025-02-01", "2025-02-28"])
    base = resolved(last_month).fingerprint()
    assert base == resolved(february).fingerprint()
    assert base == resolved(last_month, cursor="x").fingerprint()
    later = datetime(2025, 4, 1, tzinfo=UTC)
    others = [
        resolved(last_month, now=later),
        resolved(last_month, limit=5),
        resolved(last_month, calendar=Calendar(fiscal_start=4)),
        resolved(last_month, calendar=Calendar("Europe/Zurich")),
        resolved(last_month, compare="previous_year"),
        resolved(last_month, measures=["vendors"]),
    ]
    assert len({base, *(other.fingerprint() for other in others)}) == len(others) + 1
    paged = resolved(last_month, limit=5, offset=10).fingerprint(of_any_page=True)
    assert paged == resolved(last_month).fingerprint(of_any_page=True)


def test_a_resolved_query_resolves_to_itself() -> None:
    asked = resolved(where(DATE, "during", "last_month"), compare="previous_year")
    again = resolve(DATASETS["fct_transactions"], asked.spec, NOON, asked.calendar)
    assert again.fingerprint() == asked.fingerprint()


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown period": (
        {"filters": [where(DATE, "during", "last_mont")]},
        "#/filters/0/value",
        "Did you mean 'last_month'",
    ),
    "hostile period": (
        {"filters": [where(DATE, "during", "'; DROP TABLE x; --")]},
        "#/filters/0/value",
        "Known",
    ),
    "period deep within": (
        {"filters": [{"or": [where("vendor", "eq", "a"), where(DATE, "during", "x")]}]},
        "#/filters/0/or/1/value",
        "Known",
    ),
    "before the calendar": (
        {
            "filters": [where(DATE, "between", ["0005-01-01", "2024-12-31"])],
            "compare": "previous_period",
        },
        "#/compare",
        "years 1 to 9999",
    ),
    "compared without end": (
        {"filters": [where(DATE, "gte", "2025-01-01")], "compare": "previous_year"},
        "#/compare",
        "first and a last day",
    ),
    "filled without dates": (
        {"dataset": "dim_accounts", "measures": ["accounts"], "fill": "zero"},
        "#/fill",
        "has no dates",
    ),
    "no day": (
        {"filters": [where(DATE, "gt", "2025-01-01"), where(DATE, "lt", "2025-01-02")],
         "fill": "zero"},
        "#/fill",
        "leave no day",
    ),
    "no month": (
        {"dataset": "fct_monthly_trends", "measures": ["income"], "compare": "previous_period",
         "filters": [where("month", "between", ["2025-01-02", "2025-01-31"])]},
        "#/compare",
        "leave no day",
    ),
    "a bound that is no date": (
        {"filters": [where(DATE, "gte", "soon"), where(DATE, "lte", "2025-01-01")],
         "compare": "previous_period"},
        "#/filters/0/value",
        "a date such as",
    ),
    "a bound beyond the calendar": (
        {"filters": [where(DATE, "gt", "9999-12-31"), where(DATE, "lte", "9999-12-31")],
         "compare": "previous_period"},
        "#/compare",
        "years 1 to 9999",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_means_nothing_is_refused(case: str) -> None:
    spec, pointer, reason = REFUSED[case]
    with pytest.raises(InvalidInput) as refusal:
        resolved(*spec.pop("filters", ()), **spec)
    [fault] = refusal.value.errors
    assert fault.pointer == pointer
    assert reason in fault.detail


def nested(depth: int) -> dict[str, Any]:
    condition = where("vendor", "eq", "x")
    for _ in range(depth):
        condition = {"or": [condition]}
    return condition


# What each refusal says beside the limit is how to ask for less.
LIMITS: dict[str, tuple[dict[str, Any], str, str]] = {
    "fields": ({"fields": ["amount"] * 201}, "#/fields", "at most 200 fields: ask in parts"),
    "dimensions": (
        {"dimensions": [{"column": "vendor"}] * 11},
        "#/dimensions",
        "at most 10 dimensions: ask in parts",
    ),
    "measures": ({"measures": ["events"] * 31}, "#/measures", "at most 30"),
    "order": ({"order": [{"field": "events"}] * 21}, "#/order", "at most 20"),
    "conditions": (
        {"filters": [nested(1)] * 51},
        "#/filters",
        "at most 100 conditions: `in` takes",
    ),
    "having": ({"having": [nested(0)] * 101}, "#/having", "at most 100"),
    "depth": ({"filters": [nested(7)]}, "#/filters", "at most 6 deep"),
    "abyss": ({"filters": [nested(900)]}, "#/filters", "at most 6 deep"),
    "two places": ({"cursor": "x", "offset": 1}, "#/cursor", "not both"),
    "time zone": ({"time_zone": "../../etc/passwd"}, "#/time_zone", "Europe/Zurich"),
    "time zone of Python": ({"time_zone": "right/Europe/Zurich"}, "#/time_zone", "Europe/Zurich"),
    "time zone of the server": ({"time_zone": "localtime"}, "#/time_zone", "Europe/Zurich"),
    "fields of no kind": ({"fields": [1] * 201}, "#/fields", "at most 200 fields"),
    "dimensions of no kind": ({"dimensions": [1] * 11}, "#/dimensions", "at most 10"),
    "as of": ({"as_of": "yesterday"}, "#/as_of", "instant"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limits_are_named(case: str) -> None:
    spec, pointer, reason = LIMITS[case]
    with pytest.raises(InvalidInput) as refusal:
        QuerySpec.model_validate({"dataset": "fct_transactions", **spec})
    [fault] = refusal.value.errors
    assert fault.pointer == pointer
    assert reason in fault.detail


@pytest.mark.parametrize("text", ["9" * 26, f"-{'9' * 26}.{'9' * 12}", "0.000000000001"])
def test_money_may_have_as_many_digits_as_a_refusal_says(text: str) -> None:
    assert read_value(text, ColumnType("DECIMAL(38,12)", Kind.DECIMAL, 12), "#") == Decimal(text)


@pytest.mark.parametrize("as_of", ["20250310T120000Z-0f3a9c1e", "2025-03-10T12:00:00+01:00"])
def test_moments(as_of: str) -> None:
    assert QuerySpec(dataset="x", as_of=as_of).as_of == as_of


def test_a_query_survives_json() -> None:
    spec = QuerySpec.model_validate(
        {
            "dataset": "fct_transactions",
            "dimensions": [{"column": DATE, "grain": "fiscal_quarter"}],
            "measures": ["total"],
            "filters": [{"or": [where(DATE, "during", "last_month"), nested(2)]}],
            "having": [where("total", "gt", "1.50")],
            "totals": {"subtotals": "all", "shares": ["total"]},
            "compare": "previous_year",
            "fill": "zero",
        }
    )
    assert QuerySpec.model_validate_json(spec.model_dump_json()) == spec
    assert QuerySpec.model_validate(spec.model_dump(mode="json")) == spec
    [either] = spec.filters
    assert not isinstance(either, And | Filter)
