"""Institutions, and connections to them that feed accounts."""

from __future__ import annotations

from tests.world.hands import OWNERS, Hands
from tests.world.side import Place


async def fill_connections(hands: Hands) -> None:
    """An `unused_connection` feeds no account, so who did not make it has no reason to see it."""
    side = hands.side
    for kind in ("institution", "unused_institution"):
        side.ids[kind] = await hands.make("/api/institutions", name=side.text(kind), country="FR")
    for kind, places in (
        ("connection", tuple(Place)),
        ("unused_connection", (Place.OWN, Place.HIDDEN)),
    ):
        side.ids[kind] = {
            place: await hands.make(
                "/api/connections",
                OWNERS[place],
                institution_id=str(side.ids["institution"]),
                provider=side.text(kind, place),
            )
            for place in places
        }


def linked(hands: Hands, place: Place) -> dict[str, str]:
    """What an account says that is fed by the connection of its place."""
    side = hands.side
    return {
        "institution_id": str(side.ids["institution"]),
        "connection_id": str(side.find("connection", place)),
        "external_id": side.text("external account", place),
    }
