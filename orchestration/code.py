"""What a generation is made by: only of the same code can the next refresh go on from it."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from backend.settings import PROJECT_ROOT
from orchestration.dbt import project_fingerprint

# Besides the dbt project: what is read from PostgreSQL, and what its triggers and functions do.
_SOURCES = ("backend/warehouse/extract.py", "backend/warehouse/source_*.py",
            "backend/warehouse/incremental/*.py", "backend/db/migrations/**/*.py")  # fmt: skip


def code_fingerprint() -> str:
    digest = hashlib.sha256(f"{version('outlay')} {project_fingerprint()}".encode())
    for pattern in _SOURCES:
        for path in sorted(PROJECT_ROOT.glob(pattern)):
            digest.update(f"{path.relative_to(PROJECT_ROOT)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
