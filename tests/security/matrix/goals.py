"""Goals, under a budget and by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.security.access import anybody, bookers, owners, seers
from tests.security.entries import Id, delete, get, patch, post, put

_DEADLINE = (datetime.now(UTC).date() + timedelta(days=10)).isoformat()
_GOAL = {"name": "x", "type": "leads", "target": "1", "deadline": _DEADLINE}

GOALS = (
    post("/api/goals", owners, _GOAL | {"budget_id": Id("budget")}),
    post("/api/budgets/{budget_id}/goals", owners, _GOAL),
    get("/api/goals", anybody),
    get("/api/goals", seers, query={"budget_id": Id("budget")}, note="of a budget"),
    get("/api/budgets/{budget_id}/goals", seers),
    get("/api/goals/{goal_id}", seers),
    put("/api/goals/{goal_id}", owners, _GOAL | {"starts_on": "2025-01-01"}),
    patch("/api/goals/{goal_id}", owners, {"name": "x"}),
    delete("/api/goals/{goal_id}", owners),
    post("/api/goals/{goal_id}/progress", bookers, {"value": "1", "source": "x"}),
    get("/api/goals/{goal_id}/progress", seers),
)
