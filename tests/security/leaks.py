"""What an answer may never hold: nothing of another organization, nothing that is not shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx

from backend.scope import Role
from tests.security.access import sees
from tests.world import Place, Side, World


def secrets_of(side: Side) -> set[str]:
    """All that tells of an organization."""
    return {side.marker, *map(str, side.all_ids())}


def forbidden_words(side: Side, other: Side, role: Role) -> set[str]:
    """For a member of `side`: all of the other organization, and what is not shown to the role."""
    words = secrets_of(other)
    unseen = [place for place in Place if not sees(role, place)]
    for place in unseen:
        words |= {side.text("", place).strip(), *map(str, side.ids_in(place))}
    if unseen:  # who sees the whole organization sees everybody's address too
        people = [*Role, "guest", "invited"]
        words |= {side.email(who) for who in people if who != role}
    if Place.HIDDEN in unseen:
        words |= {"987654", "4321.09"}  # the hidden budget's amount and the hidden transaction's
    return words


def scan(answer: httpx.Response, words: Iterable[str]) -> None:
    """Fail when the answer or a header holds one of them that the request did not name itself."""
    request = answer.request
    asked = f"{request.url} {request.content.decode(errors='replace')}"
    told = f"{answer.headers} ".encode() + answer.content
    found = sorted(word for word in words if word.encode() in told and word not in asked)
    assert not found, (
        f"{request.method} {request.url.path} tells {found}: "
        f"{answer.status_code} {answer.text[:2000]}"
    )


def scanned(words: set[str]) -> Callable[[httpx.Response], Awaitable[Any]]:
    """A hook for clients."""

    async def check(answer: httpx.Response) -> None:
        await answer.aread()
        scan(answer, words)

    return check


def strangers_words(world: World) -> set[str]:
    return secrets_of(world.ours) | secrets_of(world.theirs)
