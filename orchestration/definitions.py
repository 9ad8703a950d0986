"""What Dagster's code server loads: `dagster api grpc -m orchestration.definitions`."""

from __future__ import annotations

from backend.settings import Settings
from orchestration.graph import build_definitions

defs = build_definitions(Settings())
