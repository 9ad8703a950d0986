"""Recurring expenses and categorisation rules."""

from __future__ import annotations

from tests.security.access import anybody, bookers, managers, seers
from tests.security.entries import Id, delete, get, patch, post, put

_PLANNED = {
    "account_id": Id("account"),
    "budget_id": Id("budget"),
    "category_id": Id("category"),
    "tag_ids": [Id("tag")],
}
_PLAN = {
    "amount": "1.00",
    "description": "x",
    "frequency": "monthly",
    "starts_on": "2025-01-01",
    **_PLANNED,
}
_RULE = {
    "name": "x",
    "vendor": {"text": "x"},
    "account_id": Id("account"),
    "category_id": Id("category"),
}

_RECURRING = (
    post("/api/recurring-expenses", bookers, _PLAN),
    get("/api/recurring-expenses", anybody),
    get(
        "/api/recurring-expenses",
        seers,
        query={"account_id": Id("account")},
        note="of an account",
    ),
    get("/api/recurring-expenses/detected", anybody),
    get("/api/recurring-expenses/{recurring_id}", seers),
    patch("/api/recurring-expenses/{recurring_id}", bookers, _PLANNED),
    delete("/api/recurring-expenses/{recurring_id}", bookers),
    get("/api/recurring-expenses/{recurring_id}/occurrences", seers),
    post("/api/recurring-expenses/{recurring_id}/pause", bookers, ok=200),
    post(
        "/api/recurring-expenses/{recurring_id}/resume",
        bookers,
        {},
        ok=200,
        fills={"recurring_id": Id("paused_recurring")},
    ),
    post("/api/recurring-expenses/{recurring_id}/skip", bookers, ok=200),
)

_RULES = (
    post("/api/rules", managers, _RULE),
    get("/api/rules", anybody),
    put("/api/rules/order", managers, {"ids": [Id("rule")]}, ok=204),
    post("/api/rules/preview", managers, {"rule": _RULE}, ok=200),
    post("/api/rules/apply", managers, {"overwrite": True}, ok=200),
    get("/api/rules/{rule_id}", anybody),
    patch(
        "/api/rules/{rule_id}",
        managers,
        {"account_id": Id("account"), "category_id": Id("category")},
    ),
    delete("/api/rules/{rule_id}", managers),
    post("/api/rules/{rule_id}/preview", managers, {}, ok=200),
)

PLANS = (*_RECURRING, *_RULES)
