from __future__ import annotations

import pytest

from backend.errors import MAX_FAULTS
from backend.scope import Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem


@pytest.mark.parametrize("path", ["/api/transactions", "/api/accounts", "/api/budgets"])
async def test_a_parameter_is_given_once(act_as: ActAs, owner: Scope, path: str) -> None:
    answer = await act_as(owner).get(path, params=[("q", "a"), ("q", "b")])
    assert_problem(answer, 422, "invalid-input", "q")


async def test_a_field_that_is_not_there_is_answered_with_one_that_is(
    act_as: ActAs, owner: Scope
) -> None:
    answer = await act_as(owner).post("/api/accounts", json={"nmae": "Card"})
    [unknown] = [e for e in answer.json()["errors"] if e["pointer"] == "#/nmae"]
    assert unknown["detail"] == "There is no such field. Did you mean 'name'?"


async def test_values_are_named_as_they_are_written(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).post("/api/expenses", json={"kind": "income"})
    [wrong] = [e for e in answer.json()["errors"] if e["pointer"] == "#/kind"]
    assert "'expense'" in wrong["detail"]
    assert "TransactionKind" not in wrong["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "&".join(["q=a"] * 9_000),
        "&".join(f"q{n}=a" for n in range(5_000)),
        "&".join(f"q{n}=a&q{n}=b" for n in range(3_000)),
    ],
    ids=["one", "unknown", "repeated"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/api/transactions",
        "/api/analytics/generations",
        "/api/analytics/datasets/fct_transactions/query",
    ],
)
async def test_thousands_of_parameters_are_refused_in_few_words(
    act_as: ActAs, owner: Scope, path: str, query: str
) -> None:
    answer = await act_as(owner).get(f"{path}?{query}")
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= MAX_FAULTS + 1  # how many more there are


async def test_of_thousands_of_faults_the_first_are_told(act_as: ActAs, owner: Scope) -> None:
    answer = await act_as(owner).post("/api/tags", json={f"field_{n}": 1 for n in range(5_000)})
    assert answer.status_code == 422
    *_, last = answer.json()["errors"]
    assert len(answer.json()["errors"]) == MAX_FAULTS + 1
    assert last == {"pointer": "#", "detail": "There are 4901 more faults."}
