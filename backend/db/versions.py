"""Changing only what one has seen: the version of a row that a writer expects it to have."""

from __future__ import annotations

from backend.db.base import Timestamped
from backend.errors import PreconditionFailed

Expected = frozenset[str] | None  # any of these versions; None for whichever there is


def require_version(row: Timestamped, expected: Expected) -> None:
    """To be called with the row locked, or the check would hold for a moment only."""
    if expected is not None and row.version not in expected:
        raise PreconditionFailed("It was changed since you read it. Read it again.")
