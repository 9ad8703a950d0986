"""Sending files to be imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.imports.models import Import
from backend.ledger.models import BalanceSnapshot, Transaction
from backend.scope import Scope
from backend.usage.models import CloudCost

SAMPLES = Path(__file__).parents[1] / "samples"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


async def upload(
    client: httpx.AsyncClient, content: bytes, account_id: UUID, **params: Any
) -> httpx.Response:
    query = {"account_id": str(account_id), **params}
    if "mapping" in query:
        query["mapping"] = json.dumps(query["mapping"])
    return await client.post("/api/imports", content=content, params=query)


async def imported(
    client: httpx.AsyncClient, content: bytes, account_id: UUID, **params: Any
) -> dict[str, Any]:
    answer = await upload(client, content, account_id, **params)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def confirmed(
    client: httpx.AsyncClient, content: bytes, account_id: UUID, **params: Any
) -> dict[str, Any]:
    """As the screen does it: preview a CSV, then send the mapping back."""
    preview = await imported(client, content, account_id, dry_run="true", **params)
    return await imported(client, content, account_id, mapping=preview["mapping"], **params)


async def rows_of(engine: AsyncEngine, scope: Scope) -> dict[str, int]:
    """How much there is of everything that an import writes."""
    async with organization_session(engine, scope.organization_id) as session:
        return {
            model.__tablename__: int(
                await session.scalar(select(func.count()).select_from(model)) or 0
            )
            for model in (Transaction, BalanceSnapshot, CloudCost, Import)
        }
