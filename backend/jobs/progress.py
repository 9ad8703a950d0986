"""How far a refresh has come, in words that name no data and no tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

STEPS = {
    "extract": "Reading PostgreSQL",
    "dbt_build": "Building and testing the marts",
    "reconciliation": "Comparing the marts with PostgreSQL",
    "generation": "Publishing the generation",
}
"""The steps of the job `refresh`, in their order, by Dagster's names for them."""

_OVER = {"SUCCESS", "SKIPPED"}


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` is what is being done now; None before the first step and after the last."""

    steps_done: int
    steps_total: int
    step: str | None
    started_at: datetime | None


def progress_of(steps: Sequence[Mapping[str, Any]], start_time: float | None) -> Progress:
    """`steps` are Dagster's `stepStats`, `start_time` is in Unix seconds."""
    running = [s["stepKey"] for s in steps if s["status"] == "IN_PROGRESS"]
    return Progress(
        steps_done=sum(step["status"] in _OVER for step in steps),
        steps_total=len(STEPS.keys() | {step["stepKey"] for step in steps}),
        step=STEPS.get(running[0], running[0].replace("_", " ")) if running else None,
        started_at=None if start_time is None else datetime.fromtimestamp(start_time, UTC),
    )
