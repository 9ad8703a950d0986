"""Named points of a refresh at which a test may have the process killed as `kill -9` would."""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from backend.errors import did_you_mean


class CrashPoint(StrEnum):
    """In the order in which a refresh passes them."""

    EXTRACT = "extract"
    BUILD = "build"
    TEST = "test"
    BEFORE_FSYNC = "before_fsync"
    AFTER_FSYNC = "after_fsync"
    BEFORE_FLIP = "before_flip"
    AFTER_FLIP = "after_flip"
    PRUNE = "prune"


def armed(crash_at: str | None) -> CrashPoint | None:
    """The point that `Settings.crash_at` names; an unknown name is a ValueError."""
    if crash_at is None:
        return None
    try:
        return CrashPoint(crash_at)
    except ValueError:
        hint = did_you_mean(crash_at, [point.value for point in CrashPoint])
        raise ValueError(f"OUTLAY_CRASH_AT: there is no point {crash_at!r}. {hint}") from None


def crash_point(point: CrashPoint, armed_at: CrashPoint | None) -> None:
    """Die here, without any clean-up, when this is the armed point."""
    if point is armed_at:
        os.kill(os.getpid(), signal.SIGKILL)
