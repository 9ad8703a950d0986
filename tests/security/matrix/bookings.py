"""Transactions, expenses, their receipts, and many of them at once."""

from __future__ import annotations

from typing import Any

from tests.security.access import anybody, bookers, seers
from tests.security.entries import Id, delete, get, patch, post, put
from tests.world.rules import PNG

_BOOKING = {"date": "2025-03-10", "amount": "1.00", "description": "x"}
_SPLIT = {
    "amount": "1.00",
    "budget_id": Id("budget"),
    "category_id": Id("category"),
    "tag_id": Id("tag"),
}
_REFERENCES = {
    "account_id": Id("account"),
    "budget_id": Id("budget"),
    "category_id": Id("category"),
    "tag_ids": [Id("tag")],
}
_WHOLE = _BOOKING | _REFERENCES | {"splits": [_SPLIT]}
_CHANGE: dict[str, Any] = {
    **_REFERENCES,
    "amount": "1.00",
    "splits": [_SPLIT | {"id": Id("split")}],
}
_TRANSFER = {"account_id": Id("account"), "counter_account_id": Id("unused_account")}
_FILTERS = {"account_id": Id("account"), "category_id": Id("category"), "tag_id": Id("tag")}
_DELETED = Id("deleted_transaction")

_TRANSACTIONS = (
    post("/api/transactions", bookers, _WHOLE),
    post(
        "/api/transactions", bookers, _BOOKING | _TRANSFER | {"kind": "transfer"}, note="transfer"
    ),
    get("/api/transactions", anybody),
    get("/api/transactions", anybody, query={"deleted": "true"}, note="deleted"),
    get("/api/transactions", seers, query=_FILTERS, note="of an account"),
    get("/api/transactions", seers, query={"budget_id": Id("budget")}, note="of a budget"),
    get("/api/transactions/{transaction_id}", seers),
    patch("/api/transactions/{transaction_id}", bookers, _CHANGE),
    patch(
        "/api/transactions/{transaction_id}",
        bookers,
        {"kind": "transfer", "counter_account_id": Id("unused_account")},
        note="to a transfer",
    ),
    delete("/api/transactions/{transaction_id}", bookers),
    post(
        "/api/transactions/{transaction_id}/restore",
        bookers,
        ok=200,
        fills={"transaction_id": _DELETED},
    ),
    post("/api/transactions:bulk", bookers, {"transactions": [_WHOLE]}),
    post(
        "/api/transactions:bulk",
        bookers,
        {"transactions": [_BOOKING | _TRANSFER | {"kind": "transfer"}]},
        note="transfer",
    ),
)

_EXPENSES = (
    post("/api/expenses", bookers, _WHOLE),
    get("/api/expenses", anybody),
    get("/api/expenses", seers, query=_FILTERS, note="of an account"),
    get("/api/expenses", seers, query={"budget_id": Id("budget")}, note="of a budget"),
    get("/api/expenses/analytics", anybody),
    get("/api/expenses/analytics", seers, query=_FILTERS, note="of an account"),
    get("/api/expenses/{expense_id}", seers),
    patch(
        "/api/expenses/{expense_id}",
        bookers,
        _CHANGE,
        fills={"expense_id": Id("transaction")},
    ),
    delete("/api/expenses/{expense_id}", bookers),
    post("/api/expenses/{expense_id}/restore", bookers, ok=200, fills={"expense_id": _DELETED}),
)

_RECEIPTS = (
    put(
        "/api/transactions/{transaction_id}/receipt",
        bookers,
        content=PNG,
        content_type="image/png",
    ),
    get("/api/transactions/{transaction_id}/receipt", seers),
    delete("/api/transactions/{transaction_id}/receipt", bookers),
)

BOOKINGS = (*_TRANSACTIONS, *_EXPENSES, *_RECEIPTS)
