"""An export is made and handed out only while its asker may see all that they might."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from backend.analytics.rights import rights_of, what_was_lost
from backend.scope import Role, Scope

ONE, TWO = UUID(int=1), UUID(int=2)
MEMBER = Scope(UUID(int=9), UUID(int=8), Role.MEMBER, shared_account_ids=frozenset({ONE}))
ANALYST = replace(MEMBER, role=Role.ANALYST, shared_account_ids=frozenset())
BUDGETS = replace(MEMBER, shared_budget_ids=frozenset({TWO}))


def lost(before: Scope, now: Scope) -> str | None:
    return what_was_lost(json.loads(json.dumps(rights_of(before))), now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (MEMBER, MEMBER),
        (MEMBER, replace(MEMBER, shared_account_ids=frozenset({ONE, TWO}))),
        (MEMBER, ANALYST),  # who sees everything sees these, shared or not
        (ANALYST, replace(ANALYST, role=Role.OWNER)),
        (replace(ANALYST, role=Role.OWNER), ANALYST),
        (MEMBER, BUDGETS),
    ],
)
def test_as_much_or_more_is_enough(before: Scope, now: Scope) -> None:
    assert lost(before, now) is None


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        (ANALYST, MEMBER, "was analyst and is member"),
        (MEMBER, replace(MEMBER, shared_account_ids=frozenset()), "account is not shared"),
        (MEMBER, replace(MEMBER, shared_account_ids=frozenset({TWO})), "account is not shared"),
        (BUDGETS, MEMBER, "budget is not shared"),
        (MEMBER, replace(MEMBER, role=Role.VIEWER), "viewer"),
        (ANALYST, replace(ANALYST, role=Role.VIEWER), "viewer"),
    ],
)
def test_less_is_told(before: Scope, now: Scope, named: str) -> None:
    told = lost(before, now)
    assert told is not None
    assert named in told
