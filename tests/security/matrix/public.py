"""What is open to strangers, each for a reason: probes, metrics, and how one comes in."""

from __future__ import annotations

from tests.security.entries import Public

_PASSWORD = "long enough to be taken"

PUBLIC = (
    Public("GET", "/healthz", 200),
    Public("GET", "/readyz", 200),
    Public("GET", "/metrics", 200),
    Public(
        "POST",
        "/api/auth/register",
        202,
        {"email": "stranger@example.com", "name": "x", "password": _PASSWORD},
    ),
    Public("POST", "/api/auth/token", 401, {"email": "nobody@example.com", "password": "x"}),
    Public("POST", "/api/auth/refresh", 401, {"refresh_token": "outlayr_x"}),
    Public("POST", "/api/auth/logout", 204, {"refresh_token": "outlayr_x"}),
    Public("POST", "/api/auth/password-reset", 202, {"email": "nobody@example.com"}),
    Public(
        "POST",
        "/api/auth/password-reset/confirm",
        404,
        {"token": "outlayl_x", "new_password": _PASSWORD},
    ),
    # Its signature opens it; here the address is not even one of an export.
    Public("GET", "/api/analytics/exports/{export_id}/download", 422),
    Public("POST", "/api/invitations/lookup", 404, {"token": "outlayl_x"}),
    Public(
        "POST",
        "/api/invitations/accept",
        404,
        {"token": "outlayl_x", "name": "x", "password": _PASSWORD},
    ),
)
