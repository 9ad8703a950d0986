"""What is somebody else's and what does not exist are the same, wherever an id can be put."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from backend.scope import Role
from tests.security.access import Outcome, sees
from tests.security.conftest import Callers
from tests.security.entries import Entry, Spot, at, but
from tests.security.matrix import ENTRIES
from tests.world import UNKNOWN, Place, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

_VOLATILE = {"date", "ratelimit", "x-request-id", "content-length"}


def _telling(answer: httpx.Response, identity: UUID) -> tuple[object, ...]:
    """All that a caller could tell two answers apart by, but for the id that they sent."""
    headers = {n: v for n, v in answer.headers.items() if n not in _VOLATILE}
    return answer.status_code, answer.text.replace(str(identity), "ID"), headers


# The others see what the owner sees.
_ROLES = (Role.OWNER, Role.ANALYST, Role.MEMBER, Role.VIEWER)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.spots()], ids=str)
async def test_a_foreign_id_is_answered_as_an_unknown_one(
    entry: Entry, callers: Callers, world: World
) -> None:
    for role in _ROLES:
        client = await callers.member(world.ours, role)
        place = _best_place(entry, role, world)
        granted = entry.access(role, place) is Outcome.GRANTED
        for spot in entry.spots():
            told = {}
            for identity in (UNKNOWN, *_not_theirs(spot, role, world, place)):
                answer = await entry.send(client, but(at(world.ours, place), spot, identity))
                told[identity] = _telling(answer, identity)
            wanted = told.pop(UNKNOWN)
            assert wanted[0] in {spot.absent} | (set() if granted else {403}), (role, spot, wanted)
            for identity, found in told.items():
                assert found == wanted, (role, spot, identity)


def _best_place(entry: Entry, role: Role, world: World) -> Place:
    """One where the role may, so that nothing but the id is wrong."""
    places = entry.places(world.ours)
    return next((p for p in places if entry.access(role, p) is Outcome.GRANTED), places[0])


def _not_theirs(spot: Spot, role: Role, world: World, place: Place) -> list[UUID]:
    """Of another organization; and for who does not see everything, what is hidden in their own."""
    foreign = [world.theirs.find(spot.id.kind, place)]
    hidden = Place.HIDDEN in (world.ours.places(spot.id.kind) or ())
    if hidden and not sees(role, Place.HIDDEN):
        foreign.append(world.ours.find(spot.id.kind, Place.HIDDEN))
    return foreign
