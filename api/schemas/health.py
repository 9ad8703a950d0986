from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Output


class Liveness(Output):
    status: Literal["ok"] = "ok"


class Check(Output):
    ok: bool
    detail: str
    duration_ms: float


class Readiness(Output):
    """Whether requests can be served, and by which part it fails."""

    status: Literal["ready"] = "ready"
    checks: dict[str, Check] = Field(description="By what was tried.")
