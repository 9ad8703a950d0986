"""What every refusal of the service looks like."""

from __future__ import annotations

import httpx


def assert_problem(answer: httpx.Response, status: int, slug: str, *pointers: str) -> str:
    """Check a problem+json answer and the faults it points at; answers its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:outlay:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["instance"] == answer.request.url.path
    assert {fault["pointer"] for fault in problem.get("errors", [])} == set(pointers)
    for leaked in ("SELECT", "sqlalchemy", "asyncpg", "Traceback", "constraint"):
        assert leaked not in answer.text
    return str(problem["detail"])
