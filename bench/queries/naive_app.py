"""The service with one route written the obvious way: a connection a request, a dict a row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import duckdb
from fastapi import FastAPI
from pydantic import BaseModel

from api.app import create_app as create_service
from api.deps import CurrentScope
from backend.settings import Settings
from backend.warehouse.generation import DATABASE, resolve

_EVENTS = """
SELECT * FROM marts.fct_cost_events
WHERE organization_id = $organization AND owner_id = $me
ORDER BY cost_date, cost_event_id LIMIT 1000
"""


class Event(BaseModel):
    organization_id: UUID
    cost_event_id: UUID
    source: str
    transaction_id: UUID | None
    owner_id: UUID
    account_id: UUID
    cost_date: date
    category_id: UUID | None
    budget_id: UUID | None
    vendor: str | None
    service_name: str | None
    region: str | None
    amount: Decimal
    currency: str
    base_amount: Decimal | None
    base_currency: str
    description: str


def create_app() -> FastAPI:
    app = create_service()
    folder = resolve(Settings().warehouse_dir)
    assert folder is not None

    @app.get("/naive")
    def events(scope: CurrentScope) -> list[Event]:
        with duckdb.connect(folder / DATABASE, read_only=True) as connection:
            asked = {"organization": scope.organization_id, "me": scope.user_id}
            found = connection.execute(_EVENTS, asked)
            names = [column[0] for column in found.description]
            return [Event(**dict(zip(names, row, strict=True))) for row in found.fetchall()]

    return app
