"""Every role asks everything, about what is shared with it, its own and somebody else's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backend.scope import Role
from tests.security.access import differing
from tests.security.conftest import Callers
from tests.security.entries import Entry, at
from tests.security.matrix import ENTRIES
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
async def test_each_role_may_do_what_the_matrix_says(
    entry: Entry, callers: Callers, world: World
) -> None:
    wrong: list[Sequence[object]] = []
    places = entry.places(world.ours)
    assert places, "nothing in the world fits this entry"
    for role in Role:
        client = await callers.member(world.ours, role)
        for place in differing(role, places):
            answer = await entry.send(client, at(world.ours, place))
            due = entry.statuses(entry.access(role, place), world.ours)
            if answer.status_code not in due:
                wrong.append((role, place, due, answer.status_code, answer.text[:300]))
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/problem+json"
    assert not wrong, "\n".join(map(str, wrong))
