"""Members, invitations and tokens."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.jobs.models import Refresh
from backend.scope import Role
from tests.factories import make_member
from tests.world.hands import OWNERS, Hands
from tests.world.side import Place

_SCOPES = {"read": ["read"], "write": ["read", "write"], "admin": ["read", "write", "admin"]}


async def fill_people(engine: AsyncEngine, hands: Hands) -> None:
    """`user` is the member; `guest`, a viewer, owns nothing and has nothing shared with them."""
    side = hands.side
    side.ids["user"] = side.members[Role.MEMBER].user_id
    guest = await make_member(
        engine,
        side.organization_id,
        Role.VIEWER,
        name=side.text("guest"),
        email=side.email("guest"),
    )
    side.ids["guest"] = guest.user_id
    invited = await hands.send(
        "POST", "/api/invitations", json={"email": side.email("invited"), "role": "viewer"}
    )
    side.ids["invitation"] = UUID(invited["invitation"]["id"])
    for name, scopes in _SCOPES.items():
        body = {"name": side.text(f"token to {name}"), "scopes": scopes}
        side.tokens[name] = (await hands.send("POST", "/api/tokens", json=body))["token"]
    side.ids["token"] = {
        place: await hands.make("/api/tokens", OWNERS[place], name=side.text("token", place))
        for place in (Place.OWN, Place.HIDDEN)
    }
    side.ids["refresh"] = await _refreshes(engine, hands)


async def _refreshes(engine: AsyncEngine, hands: Hands) -> dict[Place, UUID]:
    """Not by the API: nobody runs Dagster here."""
    made = {}
    async with organization_session(engine, hands.side.organization_id) as session:
        for place in (Place.OWN, Place.HIDDEN):
            requested_by = hands.side.members[OWNERS[place]].user_id
            row = Refresh(requested_by=requested_by, run_id=UUID(int=1), status="succeeded")
            session.add(row)
            await session.flush()
            made[place] = row.id
    return made
