"""How a goal does: pure figures from what was counted, what it cost and what is left to spend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

HUNDRED = Decimal(100)
_ON_TRACK_WITHIN = Decimal(5)  # points of progress ahead of or behind the time gone by


class Pace(StrEnum):
    NOT_STARTED = "not_started"
    BEHIND = "behind"
    ON_TRACK = "on_track"
    AHEAD = "ahead"
    REACHED = "reached"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Facts:
    """`cost` is what the budget spent in the goal's days; None when a part of it has no rate.

    `unit_value` is the money that one unit is worth; `left` is what the budget has left to spend.
    """

    target: Decimal
    current: Decimal
    starts_on: date
    deadline: date
    cost: Decimal | None
    left: Decimal
    unit_value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """`progress` and `roi` are percentages; `projected` is the count to expect at the deadline."""

    progress: Decimal
    time_elapsed: Decimal
    pace: Pace
    projected: Decimal | None
    value: Decimal | None
    roi: Decimal | None
    cpa: Decimal | None
    feasibility: int | None
    feasibility_reason: str


def measure(facts: Facts, today: date) -> Measures:
    """ROI is (value - cost) / cost in percent, CPA the cost of one unit; None where not known."""
    length = (facts.deadline - facts.starts_on).days + 1
    elapsed = min(max((today - facts.starts_on).days + 1, 0), length)
    progress = facts.current * HUNDRED / facts.target
    gone = Decimal(elapsed * 100) / length
    projected = facts.current * length / elapsed if elapsed else None
    value = None if facts.unit_value is None else facts.current * facts.unit_value
    cost = facts.cost if facts.cost is not None and facts.cost > 0 else None
    pace = _pace(facts, progress, gone, today)
    feasibility, reason = _feasibility(facts, pace, projected, cost)
    return Measures(
        progress=progress,
        time_elapsed=gone,
        pace=pace,
        projected=projected,
        value=value,
        roi=None if value is None or cost is None else (value - cost) * HUNDRED / cost,
        cpa=None if cost is None or facts.current == 0 else cost / facts.current,
        feasibility=feasibility,
        feasibility_reason=reason,
    )


def _pace(facts: Facts, progress: Decimal, gone: Decimal, today: date) -> Pace:
    if facts.current >= facts.target:
        return Pace.REACHED
    if today > facts.deadline:
        return Pace.MISSED
    if today < facts.starts_on:
        return Pace.NOT_STARTED
    if abs(progress - gone) <= _ON_TRACK_WITHIN:
        return Pace.ON_TRACK
    return Pace.AHEAD if progress > gone else Pace.BEHIND


def _feasibility(
    facts: Facts, pace: Pace, projected: Decimal | None, cost: Decimal | None
) -> tuple[int | None, str]:
    """The share of the target that time and money allow, whichever is less, and which that is."""
    if pace is Pace.REACHED:
        return 100, "The target is reached."
    if pace is Pace.MISSED:
        return 0, "The deadline is over."
    if projected is None or facts.current == 0:
        return None, "Nothing has been counted yet."
    in_time = _share(projected, facts.target)
    reason = (
        "At this pace the target will be reached."
        if in_time == HUNDRED
        else "At this pace the target will not be reached by the deadline."
    )
    if cost is None:
        return int(in_time), f"{reason} What it costs is not known."
    affordable = facts.current + max(facts.left, Decimal(0)) * facts.current / cost
    if (for_money := _share(affordable, facts.target)) < in_time:
        return int(for_money), "At this cost the budget does not pay for the rest."
    return int(in_time), reason


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return min(part * HUNDRED / whole, HUNDRED)
