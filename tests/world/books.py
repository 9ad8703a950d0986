"""Accounts and what is booked on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.world.connections import fill_connections, linked
from tests.world.hands import OWNERS, Hands
from tests.world.side import Place

AMOUNTS = {Place.SHARED: "10.00", Place.OWN: "40.00", Place.HIDDEN: "4321.09"}


async def fill_books(hands: Hands) -> None:
    side = hands.side
    side.ids["category"] = await hands.make("/api/categories", name=side.text("category"))
    side.ids["unused_category"] = await hands.make(
        "/api/categories",
        name=side.text("unused category"),
        parent_id=str(side.ids["category"]),
        description=side.text("description"),
    )
    side.ids["tag"] = await hands.make("/api/tags", name=side.text("tag"))
    await fill_connections(hands)
    types = {"account": "bank", "unused_account": "cash", "cloud_account": "cloud"}
    for kind, type_ in types.items():
        side.ids[kind] = {
            place: await hands.make(
                "/api/accounts",
                OWNERS[place],
                name=side.text(kind, place),
                type=type_,
                currency="EUR",
                **(linked(hands, place) if kind == "account" else {}),
            )
            for place in Place
        }
        await hands.show("accounts", side.find(kind, Place.SHARED))


async def book_transactions(hands: Hands) -> None:
    """A `transaction` is in the shared budget, which may be seen by who may not see it itself.

    An `expense` is in the budget of its own place. Two more on the shared account name what is
    hidden: a budget, and the account that money went to.
    """
    side = hands.side
    side.ids["transaction"] = {
        place: await _book(hands, "transaction", place, Place.SHARED) for place in Place
    }
    side.ids["deleted_transaction"] = {
        place: await _book(hands, "deleted transaction", place, place) for place in Place
    }
    for place in Place:
        path = f"/api/transactions/{side.find('deleted_transaction', place)}"
        await hands.send("DELETE", path, by=OWNERS[place])
    side.ids["split"] = {place: await _split_of(hands, place) for place in Place}
    side.ids["expense"] = {place: await _book(hands, "expense", place, place) for place in Place}
    await _book(hands, "expense", Place.SHARED, Place.HIDDEN)
    await hands.make(
        "/api/transactions",
        kind="transfer",
        account_id=str(side.find("account", Place.SHARED)),
        counter_account_id=str(side.find("account", Place.HIDDEN)),
        date=datetime.now(UTC).date().isoformat(),
        amount="3.00",
        description=side.text("transfer", Place.SHARED),
    )


async def _book(hands: Hands, kind: str, place: Place, budget: Place) -> UUID:
    side = hands.side
    budget_id = str(side.find("budget", budget))
    category_id = str(side.ids["category"])
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    split = {
        "amount": AMOUNTS[place],
        "budget_id": budget_id,
        "category_id": category_id,
        "description": side.text("split", place),
    }
    return await hands.make(
        "/api/transactions",
        account_id=str(side.find("account", place)),
        date=yesterday.isoformat(),
        amount=AMOUNTS[place],
        description=side.text(kind, place),
        vendor=side.text("vendor", place),
        invoice_number=side.text("invoice", place),
        category_id=category_id,
        budget_id=budget_id,
        tag_ids=[str(side.ids["tag"])],
        splits=[split],
    )


async def _split_of(hands: Hands, place: Place) -> UUID:
    path = f"/api/transactions/{hands.side.find('transaction', place)}"
    return UUID((await hands.send("GET", path))["splits"][0]["id"])
