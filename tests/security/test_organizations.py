"""`Outlay-Organization` leads where the caller belongs, and nowhere else."""

from __future__ import annotations

import pytest

from backend.scope import Role
from tests.security.access import differing
from tests.security.conftest import Callers
from tests.security.entries import Entry, at
from tests.security.matrix import ENTRIES
from tests.world import UNKNOWN, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Who belongs to both is told so, by the names of both.
_TELLS_BOTH = {"GET /api/me", "PATCH /api/me"}


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
async def test_the_header_does_not_open_another_organization(
    entry: Entry, callers: Callers, world: World
) -> None:
    place = entry.places(world.theirs)[0]
    login = await callers.member(world.ours, Role.OWNER)
    token = await callers.with_token(world.ours, "admin")
    for client, status in ((login, 404), (token, 403)):
        foreign, unknown = [
            await entry.send(
                client,
                at(world.theirs, place),
                headers={"Outlay-Organization": str(organization)},
            )
            for organization in (world.theirs.organization_id, UNKNOWN)
        ]
        assert foreign.status_code == status, foreign.text
        assert foreign.content == unknown.content


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
async def test_who_belongs_to_both_sees_the_one_they_picked(
    entry: Entry, callers: Callers, world: World
) -> None:
    """The client itself fails when an answer holds anything of the other one."""
    for side, other in ((world.ours, world.theirs), (world.theirs, world.ours)):
        client = await callers.traveller(side, tells_both=str(entry) in _TELLS_BOTH)
        for place in differing(Role.ANALYST, entry.places(side)):
            answer = await entry.send(client, at(side, place))
            due = entry.statuses(entry.access(Role.ANALYST, place), side)
            assert answer.status_code in due, answer.text
        if entry.spots():
            answer = await entry.send(client, at(other, entry.places(other)[0]))
            assert answer.status_code in {*(s.absent for s in entry.spots()), 403}, answer.text
