from __future__ import annotations

import pytest

from backend.scope import Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem


@pytest.mark.parametrize("path", ["/api/transactions", "/api/accounts", "/api/budgets"])
async def test_a_parameter_is_given_once(act_as: ActAs, owner: Scope, path: str) -> None:
    answer = await act_as(owner).get(path, params=[("q", "a"), ("q", "b")])
    assert_problem(answer, 422, "invalid-input", "q")
