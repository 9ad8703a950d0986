"""An API token goes no further than its scopes, whatever its holder may do."""

from __future__ import annotations

import pytest

from backend.scope import Role
from tests.security.access import Need, Outcome
from tests.security.conftest import Callers
from tests.security.entries import Entry, at
from tests.security.matrix import ENTRIES
from tests.world import Place, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ORDER = list(Need)


def _of_owner(entry: Entry, world: World) -> Place:
    """A place of the owner's: some needs are less for what is one's own."""
    places = entry.places(world.ours)
    return Place.SHARED if Place.SHARED in places else places[-1]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
async def test_a_scope_opens_what_it_says_and_nothing_more(
    entry: Entry, callers: Callers, world: World
) -> None:
    place = _of_owner(entry, world)
    assert entry.access(Role.OWNER, place) is Outcome.GRANTED
    for scope in world.ours.tokens:
        suffices = _ORDER.index(Need(scope)) >= _ORDER.index(entry.need)
        client = await callers.with_token(world.ours, scope)
        answer = await entry.send(client, at(world.ours, place))
        due = entry.ok if suffices else 403
        assert answer.status_code == due, (scope, answer.text)
