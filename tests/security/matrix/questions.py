"""Queries that people keep, and exports."""

from __future__ import annotations

from tests.security.access import (
    Need,
    all_but_viewers,
    anybody,
    askers,
    exporters,
    query_owners,
    query_readers,
    query_removers,
)
from tests.security.entries import Id, delete, get, patch, post
from tests.world.questions import SPEC

_QUERIES = "/api/analytics/saved-queries"
_QUERY = f"{_QUERIES}/{{saved_query_id}}"
_EXPORTS = "/api/analytics/exports"
_EXPORT = f"{_EXPORTS}/{{export_id}}"

QUESTIONS = (
    get(_QUERIES, anybody),
    post(_QUERIES, all_but_viewers, {"name": "Another", "spec": SPEC}),
    get(_QUERY, query_readers),
    patch(_QUERY, query_owners, {"name": "Another"}),
    delete(_QUERY, query_removers),
    post(f"{_QUERY}/run", query_readers, ok=200, need=Need.READ, dry_run=False),
    # Nobody runs Dagster here, so whoever may ask learns that it does not answer.
    post(_EXPORTS, all_but_viewers, {"spec": SPEC, "format": "csv"}, ok=503, dry_run=False),
    post(
        _EXPORTS,
        exporters,
        {"saved_query_id": Id("saved_query"), "format": "csv"},
        ok=503,
        dry_run=False,
        note="of a saved query",
    ),
    get(_EXPORTS, anybody),
    get(_EXPORT, askers),
    delete(_EXPORT, askers),
)
