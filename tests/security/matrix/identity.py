"""Oneself, tokens, the organization, its members and invitations."""

from __future__ import annotations

from tests.security.access import Need, administrators, anybody, holders
from tests.security.entries import Id, delete, get, patch, post

_GUEST = {"user_id": Id("guest")}

IDENTITY = (
    get("/api/me", anybody),
    patch("/api/me", anybody, {"name": "x"}),
    post(
        "/api/auth/password",
        anybody,
        {"current_password": "wrong", "new_password": "long enough to be taken"},
        need=Need.LOGIN,
        ok=403,  # the members of the world have no password
    ),
    post("/api/tokens", anybody, {"name": "x"}, need=Need.LOGIN),
    get("/api/tokens", anybody),
    get(
        "/api/tokens",
        anybody,
        query={"user_id": Id("guest", absent=200)},
        note="of somebody else",
    ),
    get("/api/tokens/{token_id}", holders),
    delete("/api/tokens/{token_id}", holders),
    get("/api/organization", anybody),
    patch("/api/organization", administrators, {"name": "x"}, need=Need.ADMIN),
    post(
        "/api/organizations",
        anybody,
        {"name": "x", "base_currency": "EUR"},
        need=Need.LOGIN,
    ),
    get("/api/members", anybody),
    get("/api/members/{user_id}", anybody),
    patch(
        "/api/members/{user_id}",
        administrators,
        {"role": "analyst"},
        need=Need.ADMIN,
    ),
    delete("/api/members/{user_id}", administrators, need=Need.ADMIN, fills=_GUEST),
    post(
        "/api/members/{user_id}/password-reset",
        administrators,
        need=Need.LOGIN,
        fills=_GUEST,
    ),
    post(
        "/api/invitations",
        administrators,
        {"email": "somebody@example.com", "role": "viewer"},
        need=Need.ADMIN,
    ),
    get("/api/invitations", administrators, need=Need.ADMIN),
    get("/api/invitations/{invitation_id}", administrators, need=Need.ADMIN),
    delete("/api/invitations/{invitation_id}", administrators, need=Need.ADMIN),
)
