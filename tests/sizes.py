"""How much a long test does: a fixed, small amount in CI, a large one in `make test-long`."""

from __future__ import annotations

import os

PROFILE = os.environ.get("OUTLAY_TEST_PROFILE", "ci")


def sized(ci: int, *, long: int) -> int:
    return long if PROFILE == "long" else ci
