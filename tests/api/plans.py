"""Budgets, expenses and reservations through the API, for tests that are about something else."""

from __future__ import annotations

from typing import Any

import httpx

YEAR = {"starts_on": "2025-01-01", "ends_on": "2025-12-31"}


async def plan(client: httpx.AsyncClient, name: str, amount: str, **values: Any) -> dict[str, Any]:
    """A budget of 2025; answers it."""
    body = {"name": name, "amount": amount, "level": "department", "type": "custom"}
    body |= {"currency": "EUR"} | YEAR
    answer = await client.post("/api/budgets", json=body | values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def spend(
    client: httpx.AsyncClient, account_id: object, amount: str, **values: Any
) -> dict[str, Any]:
    """An expense in April 2025; answers it."""
    body = {"account_id": str(account_id), "date": "2025-04-10", "amount": amount}
    answer = await client.post(
        "/api/transactions", json=body | {"description": "Something"} | values
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def reserve(
    client: httpx.AsyncClient, budget_id: object, amount: str, **values: Any
) -> httpx.Response:
    body = {"amount": amount, "expected_on": "2025-04-20"} | values
    return await client.post(f"/api/budgets/{budget_id}/reservations", json=body)


async def figures(
    client: httpx.AsyncClient, budget_id: object, on: str = "2025-04-15"
) -> dict[str, Any]:
    answer = await client.get(f"/api/budgets/{budget_id}/performance", params={"on": on})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
