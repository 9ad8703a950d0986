"""Datasets, questions over them, and refreshes."""

from __future__ import annotations

from tests.security.access import Need, all_but_viewers, anybody, seers
from tests.security.entries import Id, get, post

_DATASET = {"dataset_id": "fct_transactions"}
_FILTERS = {"account_ids": Id("account"), "tag_ids": Id("tag")}

ANALYTICS = (
    get("/api/analytics/status", anybody),
    get("/api/analytics/datasets", anybody),
    get("/api/analytics/datasets/{dataset_id}/schema", anybody, fills=_DATASET),
    get("/api/analytics/datasets/{dataset_id}/query", anybody, fills=_DATASET),
    get(
        "/api/analytics/datasets/{dataset_id}/query",
        seers,
        fills=_DATASET,
        query=_FILTERS,
        note="of an account",
    ),
    post(
        "/api/analytics/datasets/{dataset_id}/query",
        anybody,
        {"measures": ["transactions"]},
        fills=_DATASET,
        ok=200,
        need=Need.READ,
        dry_run=False,
    ),
    get("/api/analytics/datasets/{dataset_id}/explain", anybody, fills=_DATASET),
    get(
        "/api/analytics/datasets/{dataset_id}/explain",
        seers,
        fills=_DATASET,
        query=_FILTERS,
        note="of an account",
    ),
    post(
        "/api/analytics/datasets/{dataset_id}/explain",
        anybody,
        {"measures": ["transactions"]},
        fills=_DATASET,
        ok=200,
        need=Need.READ,
        dry_run=False,
    ),
    get("/api/analytics/spending-by-tag", anybody),
    get(
        "/api/analytics/spending-by-tag",
        seers,
        query=_FILTERS,
        note="of an account",
    ),
    get("/api/analytics/trends", anybody),
    get("/api/analytics/trends", seers, query={"account_ids": Id("account")}, note="of an account"),
    get("/api/analytics/balance-history", anybody),
    get(
        "/api/analytics/balance-history",
        seers,
        query={"account_ids": Id("account")},
        note="of an account",
    ),
    # Nobody runs Dagster here, so whoever may ask learns that it does not answer.
    post("/api/analytics/refresh", all_but_viewers, ok=503, dry_run=False),
    get("/api/analytics/refreshes/{refresh_id}", seers),
)
