"""The hand-made marts, published for people who can log in, and questions to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from backend.scope import Scope

DATASETS = "/api/analytics/datasets"
QUERY = f"{DATASETS}/fct_transactions/query"


@dataclass
class People:
    """Bob owns the organization, Alice is a member of it, and Mallory owns another."""

    bob: httpx.AsyncClient
    alice: httpx.AsyncClient
    mallory: httpx.AsyncClient
    scopes: dict[str, Scope]
    generation: str


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def refusal(client: httpx.AsyncClient, path: str, **parameters: Any) -> dict[str, Any]:
    response = await client.get(path, params=parameters)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return problem
