"""Whatever stands where a query names something: refused by name, and never part of the SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backend.errors import Forbidden, InvalidInput
from backend.periods import Calendar
from backend.scope import Role, Scope
from backend.warehouse.common_filters import CommonFilters, filters_for
from backend.warehouse.compiled import Paging
from backend.warehouse.compiler import compile_query
from backend.warehouse.cursors import Cursor, decode, encode
from backend.warehouse.datasets import load_datasets
from backend.warehouse.resolve import resolve
from backend.warehouse.spec import Filter, Operator, QuerySpec
from backend.warehouse.text_filters import TextFilter
from tests.warehouse.hand_made import ALICE, NOON, TABLES, identity, make_manifest

DATASETS = load_datasets(make_manifest(), TABLES)
KEY = b"k" * 32
MARK = "H0ST1LE"  # in every hostile text; no name of ours has it

_PIECES = st.sampled_from([
    *('"', "'", ";", "--", "/*", "*/", "\\", "$", "$$", "{", "}", ")", "(", ",", ".", " ", "\n"),
    *("\x00", "\u202e", "\uff05", " OR 1=1", "DROP TABLE", "SELECT", "rowid", "_rowid", "base."),
    *("vendor", "account.name", "amount", " DESC", "::", "read_text('/etc/passwd')", "`", "[", "]"),
])  # fmt: skip
hostile = st.lists(_PIECES | st.text(max_size=3), max_size=6).map(lambda p: MARK.join(["", *p, ""]))
scopes = st.builds(
    Scope,
    user_id=st.just(ALICE),
    organization_id=st.integers(1, 3).map(identity),
    role=st.sampled_from(Role),
    shared_account_ids=st.frozensets(st.integers(1, 3).map(identity)),
)
datasets = st.sampled_from([*DATASETS.values()])

EVENTS: dict[str, Any] = {"measures": ["events"], "dimensions": [{"column": "vendor"}]}


def leaf(field: str = "vendor", op: str = "eq", value: Any = "x") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "a field": lambda name: {"fields": [name]},
    "a joined field": lambda name: {"fields": [f"account.{name}"]},
    "a field by a join": lambda name: {"fields": [f"{name}.name"]},
    "a dimension": lambda name: EVENTS | {"dimensions": [{"column": name}]},
    "a grain": lambda name: EVENTS | {"dimensions": [{"column": "booking_date", "grain": name}]},
    "a measure": lambda name: {"measures": [name]},
    "an order of rows": lambda name: {"order": [{"field": name}]},
    "an order of groups": lambda name: EVENTS | {"order": [{"field": name, "descending": True}]},
    "a direction": lambda name: {"order": [{"field": "vendor", "descending": name}]},
    "a filter": lambda name: {"filters": [leaf(name)]},
    "a filter in a tree": lambda name: {"filters": [{"or": [leaf(), {"and": [leaf(name)]}]}]},
    "an operator": lambda name: {"filters": [leaf(op=name)]},
    "a period": lambda name: {"filters": [leaf("booking_date", "during", name)]},
    "a condition on groups": lambda name: EVENTS | {"having": [leaf(name, "gt", 1)]},
    "a share": lambda name: EVENTS | {"totals": {"shares": [name]}},
    "subtotals": lambda name: EVENTS | {"totals": {"subtotals": name}},
    "a comparison": lambda name: EVENTS | {"compare": name},
    "a fill": lambda name: EVENTS | {"fill": name},
    "a time zone": lambda name: {"time_zone": name},
    "a moment": lambda name: {"as_of": name},
    "a key of the query": lambda name: {name: "x"},
    "a key of a filter": lambda name: {"filters": [leaf() | {name: "x"}]},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_name_is_refused_wherever_it_stands(place: str) -> None:
    @given(hostile, scopes)
    def refused(name: str, scope: Scope) -> None:
        with pytest.raises((InvalidInput, ValidationError, Forbidden)) as refusal:
            compiled(scope, {"dataset": "fct_transactions", **PLACES[place](name)})
        if isinstance(refusal.value, InvalidInput):
            assert refusal.value.errors[0].pointer.startswith("#/")
            assert "marts" not in str(refusal.value.errors)

    refused()


def compiled(scope: Scope, body: dict[str, Any], paging: Paging | None = None) -> str:
    spec = QuerySpec.model_validate(body)
    dataset = DATASETS[spec.dataset]
    return compile_query(dataset, resolve(dataset, spec, NOON, Calendar()), scope, paging).sql


@given(datasets, scopes, hostile, st.data())
def test_a_hostile_value_is_never_in_the_sql(
    dataset: Any, scope: Scope, text: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([*dataset.columns]))
    op = data.draw(st.sampled_from(Operator))
    body = {"dataset": dataset.id, "filters": [leaf(name, op.value, data.draw(st.sampled_from([
        text, [text], [text, text], None, True
    ])))]}  # fmt: skip
    try:
        sql = compiled(scope, body)
    except (InvalidInput, Forbidden):
        return
    assert MARK not in sql


@given(datasets, scopes, hostile, hostile, st.data())
def test_a_hostile_filter_of_a_url_is_never_in_the_sql(
    dataset: Any, scope: Scope, name: str, text: str, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from([*dataset.columns, name]))
    given_ = TextFilter(field, data.draw(st.sampled_from(Operator)), (text,))
    filters = filters_for(dataset, CommonFilters(texts=(given_,)), DATASETS.values())
    assert [type(made) for made in filters] == [Filter]
    try:
        sql = compiled(scope, {"dataset": dataset.id, "filters": list(filters)})
    except (InvalidInput, Forbidden):
        return
    assert MARK not in sql


@given(scopes, st.lists(st.none() | hostile, min_size=3, max_size=3))
def test_hostile_keys_of_a_cursor_are_values(scope: Scope, keys: list[str | None]) -> None:
    """They come from rows, and whoever writes rows chooses them."""
    cursor = Cursor("20250310T120000Z-00000000", "s", "q", None, (*keys, 7), 0)
    after = decode(encode(cursor, KEY), KEY).after
    order = [{"field": "vendor"}, {"field": "currency"}, {"field": "account.name"}]
    sql = compiled(scope, {"dataset": "fct_transactions", "order": order}, Paging(5, after=after))
    assert MARK not in sql
