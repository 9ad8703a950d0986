"""Institutions, connections, accounts with their balances, categories and tags."""

from __future__ import annotations

from tests.security.access import (
    anybody,
    bookers,
    givers,
    managers,
    owners,
    owning_seers,
    seers,
)
from tests.security.entries import Id, delete, get, patch, post, put
from tests.world.feeds import BALANCE_DAY

_GUEST = {"user_id": Id("guest")}
_ACCOUNT = {"name": "x", "type": "bank", "currency": "EUR"}
_LINKED = {"institution_id": Id("institution"), "connection_id": Id("connection")}
_DAY = {"date": BALANCE_DAY}
_UNUSED = {"category_id": Id("unused_category")}

_INSTITUTIONS = (
    post("/api/institutions", managers, {"name": "x"}),
    get("/api/institutions", anybody),
    get("/api/institutions/{institution_id}", anybody),
    patch("/api/institutions/{institution_id}", managers, {"name": "x"}),
    delete(
        "/api/institutions/{institution_id}",
        managers,
        fills={"institution_id": Id("unused_institution")},
    ),
)

_CONNECTIONS = (
    post("/api/connections", bookers, {"institution_id": Id("institution"), "provider": "x"}),
    get("/api/connections", anybody),
    get(
        "/api/connections",
        anybody,
        query={"institution_id": Id("institution", absent=200)},
        note="to an institution",
    ),
    get("/api/connections/{connection_id}", seers),
    patch("/api/connections/{connection_id}", owners, {"provider": "x"}),
    delete(
        "/api/connections/{connection_id}",
        owners,
        fills={"connection_id": Id("unused_connection")},
    ),
)

_ACCOUNTS = (
    post("/api/accounts", bookers, _ACCOUNT | _LINKED),
    post("/api/accounts", givers, _ACCOUNT | {"owner_id": Id("guest")}, note="for somebody else"),
    get("/api/accounts", anybody),
    get(
        "/api/accounts",
        anybody,
        query={"owner_id": Id("guest", absent=200)},
        note="of somebody else",
    ),
    get("/api/accounts/{account_id}", seers),
    patch("/api/accounts/{account_id}", owners, _LINKED),
    patch("/api/accounts/{account_id}", givers, {"owner_id": Id("guest")}, note="to somebody else"),
    delete("/api/accounts/{account_id}", owners, fills={"account_id": Id("unused_account")}),
    get("/api/accounts/{account_id}/shares", owning_seers),
    put("/api/accounts/{account_id}/shares/{user_id}", owners, ok=204, fills=_GUEST),
    delete(
        "/api/accounts/{account_id}/shares/{user_id}",
        owners,
        fills={"user_id": Id("guest", absent=204)},
    ),
    get("/api/accounts/{account_id}/balances", seers),
    get("/api/accounts/{account_id}/balances/{date}", seers, fills=_DAY),
    put("/api/accounts/{account_id}/balances/{date}", bookers, {"balance": "1.00"}, fills=_DAY),
    delete("/api/accounts/{account_id}/balances/{date}", bookers, fills=_DAY),
)

_WORDS = (
    post("/api/categories", managers, {"name": "x", "parent_id": Id("category")}),
    get("/api/categories", anybody),
    get("/api/categories", anybody, query={"parent_id": Id("category")}, note="of a parent"),
    get("/api/categories/defaults", anybody),
    post("/api/categories/defaults", managers, ok=200),
    get("/api/categories/{category_id}", anybody),
    patch("/api/categories/{category_id}", managers, {"parent_id": Id("category")}, fills=_UNUSED),
    delete("/api/categories/{category_id}", managers, fills=_UNUSED),
    delete(
        "/api/categories/{category_id}",
        managers,
        fills=_UNUSED,
        query={"replace_with": Id("category", absent=422)},
        note="for another",
    ),
    post("/api/tags", managers, {"name": "x"}),
    get("/api/tags", anybody),
    get("/api/tags/{tag_id}", anybody),
    patch("/api/tags/{tag_id}", managers, {"name": "x"}),
    delete("/api/tags/{tag_id}", managers),
)

LEDGER = (*_INSTITUTIONS, *_CONNECTIONS, *_ACCOUNTS, *_WORDS)
