"""Which runs may go on at once: a refresh waits for no export, and an export for no refresh."""

from __future__ import annotations

from typing import Any

from backend.settings import Settings

WORK_TAG = "outlay/work"  # of a job: whose queue it stands in
REFRESHES, EXPORTS, UPKEEP = "refresh", "export", "upkeep"


def run_limits(settings: Settings) -> dict[str, Any]:
    """Dagster's own words for it. Runs without the tag are limited by their pools."""
    limits = {REFRESHES: 1, UPKEEP: 1, EXPORTS: settings.export_concurrency}
    return {
        "max_concurrent_runs": sum(limits.values()),
        "tag_concurrency_limits": [
            {"key": WORK_TAG, "value": work, "limit": limit} for work, limit in limits.items()
        ],
    }
