"""A small set of books to write transactions into."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import Budget
from backend.db.engine import organization_session
from backend.ledger.models import Account, Category, Tag
from backend.scope import Scope
from tests.factories import add_account, add_budget, add_category, add_tag

NOBODYS = "00000000-0000-0000-0000-000000000000"


class Books:
    """One organization's account, category, tag and budget, all of them `scope`'s."""

    def __init__(
        self, scope: Scope, account: Account, category: Category, tag: Tag, budget: Budget
    ) -> None:
        self.scope = scope
        self.account, self.category, self.tag, self.budget = account, category, tag, budget

    def expense(self, **values: Any) -> dict[str, Any]:
        return {
            "account_id": str(self.account.id),
            "date": "2025-03-10",
            "amount": "12.50",
            "description": "Lunch",
        } | values


async def open_books(engine: AsyncEngine, scope: Scope) -> Books:
    async with organization_session(engine, scope.organization_id) as session:
        return Books(
            scope,
            await add_account(session, scope.user_id),
            await add_category(session),
            await add_tag(session),
            await add_budget(session, scope.user_id),
        )


async def post(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/transactions", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())
