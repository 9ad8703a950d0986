"""What comes from outside: balances, exchange rates, imported files and cloud costs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.world.hands import OWNERS, Hands
from tests.world.side import Place

BALANCE_DAY = "2025-03-10"
RATE = "EUR/USD/2025-03-10"

_SAMPLES = Path(__file__).parent.parent / "samples"
_MAPPING = {"date": "Date", "amount": "Amount", "description": "Text", "date_format": "YMD"}


async def fill_feeds(hands: Hands) -> None:
    side = hands.side
    await hands.send(
        "PUT", f"/api/fx-rates/{RATE}", json={"rate": "1.1", "source": side.text("rates")}
    )
    imports, costs = {}, {}
    for place in Place:
        path = f"/api/accounts/{side.find('account', place)}/balances/{BALANCE_DAY}"
        await hands.send("PUT", path, by=OWNERS[place], json={"balance": "100.00"})
        bank = f"Date,Amount,Text\n2025-03-10,-1.00,{side.text('imported', place)}\n"
        imports[place] = await _import(
            hands, place, "account", bank.encode(), mapping=json.dumps(_MAPPING)
        )
        await _import(hands, place, "cloud_account", _focus(side.text("service", place)))
        params = {"account_id": str(side.find("cloud_account", place))}
        found = await hands.send("GET", "/api/cloud-costs", params=params)
        costs[place] = UUID(found["items"][0]["id"])
    side.ids["import"], side.ids["cost"] = imports, costs


async def _import(hands: Hands, place: Place, account: str, content: bytes, **params: str) -> UUID:
    params["account_id"] = str(hands.side.find(account, place))
    params["filename"] = hands.side.text("file", place)
    made = await hands.send(
        "POST", "/api/imports", by=OWNERS[place], params=params, content=content
    )
    assert (made["created"], made["failed"]) == (1, 0), made
    return UUID(made["id"])


def _focus(name: str) -> bytes:
    """A FOCUS file with one row, in which whatever can be named is named so."""
    with (_SAMPLES / "focus_1_0.csv").open(newline="") as sample:
        row: dict[str, Any] = next(csv.DictReader(sample))
    named = {"ServiceName", "RegionName", "ResourceId", "SubAccountName", "ChargeDescription"}
    written = io.StringIO()
    writer = csv.DictWriter(written, row.keys())
    writer.writeheader()
    writer.writerow(row | dict.fromkeys(named, name))
    return written.getvalue().encode()
