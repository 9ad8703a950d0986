"""What acts by itself later on, and what hangs on single bookings: rules, plans, receipts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.world.hands import OWNERS, Hands
from tests.world.side import Place

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00"
    b"\x00IEND\xaeB`\x82"
)


async def fill_rules(hands: Hands) -> None:
    """The `rule` is everybody's to see, and its account is hidden."""
    side = hands.side
    side.ids["rule"] = await hands.make(
        "/api/rules",
        name=side.text("rule"),
        vendor={"text": side.text("vendor that is not there")},
        account_id=str(side.find("account", Place.HIDDEN)),
        category_id=str(side.ids["category"]),
    )
    for kind in ("recurring", "paused_recurring"):
        side.ids[kind] = {place: await _plan(hands, kind, place) for place in Place}
    for place in Place:
        paused = f"/api/recurring-expenses/{side.find('paused_recurring', place)}/pause"
        await hands.send("POST", paused, by=OWNERS[place])
        await hands.send(
            "PUT",
            f"/api/transactions/{side.find('transaction', place)}/receipt",
            by=OWNERS[place],
            params={"filename": f"{side.text('receipt', place)}.png"},
            headers={"Content-Type": "image/png"},
            content=PNG,
        )


async def _plan(hands: Hands, kind: str, place: Place) -> UUID:
    """The shared one counts in the hidden budget."""
    side = hands.side
    budget = Place.HIDDEN if place is Place.SHARED else place
    return await hands.make(
        "/api/recurring-expenses",
        OWNERS[place],
        account_id=str(side.find("account", place)),
        amount="5.00",
        description=side.text(kind, place),
        vendor=side.text("vendor", place),
        category_id=str(side.ids["category"]),
        budget_id=str(side.find("budget", budget)),
        tag_ids=[str(side.ids["tag"])],
        frequency="monthly",
        starts_on=(datetime.now(UTC).date() + timedelta(days=10)).isoformat(),
    )
