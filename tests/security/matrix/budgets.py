"""Budgets: themselves, their figures, their money and what is reserved on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.security.access import anybody, bookers, givers, owners, owning_seers, seers
from tests.security.entries import Id, delete, get, patch, post, put

_GUEST = {"user_id": Id("guest")}
_LEAF = {"budget_id": Id("leaf")}
_TODAY = datetime.now(UTC).date()
# As the budgets of the world, so that one fits into another.
_DAYS = {
    "starts_on": (_TODAY - timedelta(days=30)).isoformat(),
    "ends_on": (_TODAY + timedelta(days=30)).isoformat(),
}
_BUDGET = {
    "name": "x",
    "level": "team",
    "type": "custom",
    "amount": "1.00",
    "currency": "EUR",
    **_DAYS,
}
_RULES = [{"account_id": Id("account"), "category_id": Id("category"), "tag_id": Id("tag")}]
_REFERENCES = {"parent_id": Id("budget"), "category_id": Id("category"), "rules": _RULES}

_ITSELF = (
    post("/api/budgets", bookers, _BUDGET | _REFERENCES),
    post("/api/budgets", givers, _BUDGET | {"owner_id": Id("guest")}, note="for somebody else"),
    get("/api/budgets", anybody),
    get("/api/budgets", seers, query={"parent_id": Id("budget")}, note="of a parent"),
    get(
        "/api/budgets",
        anybody,
        query={"owner_id": Id("guest", absent=200), "category_id": Id("category", absent=200)},
        note="of somebody else",
    ),
    get("/api/budgets", anybody, query={"status": "active"}, note="by status"),
    get("/api/budgets/{budget_id}", seers),
    put("/api/budgets/{budget_id}", owners, _BUDGET | _REFERENCES, fills=_LEAF),
    put(
        "/api/budgets/{budget_id}",
        givers,
        _BUDGET | {"owner_id": Id("guest")},
        fills=_LEAF,
        note="to somebody else",
    ),
    patch("/api/budgets/{budget_id}", owners, _REFERENCES, fills=_LEAF),
    patch("/api/budgets/{budget_id}", givers, {"owner_id": Id("guest")}, note="to somebody else"),
    delete("/api/budgets/{budget_id}", owners, fills={"budget_id": Id("twig")}),
    get("/api/budgets/{budget_id}/shares", owning_seers),
    put("/api/budgets/{budget_id}/shares/{user_id}", owners, ok=204, fills=_GUEST),
    delete(
        "/api/budgets/{budget_id}/shares/{user_id}",
        owners,
        fills={"user_id": Id("guest", absent=204)},
    ),
)

_FIGURES = (
    get("/api/budgets/summary", anybody),
    get("/api/budgets/stats/summary", anybody),
    get("/api/budgets/{budget_id}/performance", seers),
    get("/api/budgets/{budget_id}/tree", seers),
    get("/api/budgets/{budget_id}/expenses", seers),
    get("/api/budgets/{budget_id}/revisions", seers),
)

_MONEY = (
    post(
        "/api/budgets/{budget_id}/transfers",
        owners,
        {"to_budget_id": Id("leaf"), "amount": "1.00"},
    ),
    get("/api/budgets/{budget_id}/transfers", seers),
    get("/api/budgets/{budget_id}/transfers", seers, fills=_LEAF, note="to it"),
    post(
        "/api/budgets/{budget_id}/allocate",
        owners,
        {"method": "by_weight", "weights": [{"budget_id": Id("twig"), "weight": "1"}]},
        ok=200,
        fills={"budget_id": Id("branch")},
    ),
    post("/api/budgets/{budget_id}/rollover", owners, ok=200),
    get("/api/budget-templates", anybody),
    post(
        "/api/budget-templates/{template_id}",
        bookers,
        {"amount": "1.00", "currency": "EUR", **_DAYS, "parent_id": Id("budget")},
        fills={"template_id": "project"},
    ),
    post(
        "/api/budget-templates/{template_id}",
        givers,
        {"amount": "1.00", "currency": "EUR", **_DAYS, "owner_id": Id("guest")},
        fills={"template_id": "project"},
        note="for somebody else",
    ),
)

_RESERVATIONS = (
    post("/api/budgets/{budget_id}/reservations", bookers, {"amount": "1.00"}),
    get("/api/budgets/{budget_id}/reservations", seers),
    get("/api/budgets/{budget_id}/reservations/{reservation_id}", seers),
    post("/api/budgets/{budget_id}/reservations/{reservation_id}/commit", owners, {}, ok=200),
    post(
        "/api/budgets/{budget_id}/reservations/{reservation_id}/commit",
        owners,
        {"transaction_id": Id("expense")},
        ok=200,
        note="with its expense",
    ),
    post("/api/budgets/{budget_id}/reservations/{reservation_id}/release", owners, ok=200),
)

BUDGETS = (*_ITSELF, *_FIGURES, *_MONEY, *_RESERVATIONS)
