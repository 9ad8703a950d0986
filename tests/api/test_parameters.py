from __future__ import annotations

import pytest

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
