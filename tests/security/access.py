"""Who may do what, in the words of the design: written down here, not read off the code.

A rule says what a role gets for a valid request about something in a place.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from backend.scope import Role
from tests.world import Place


class Outcome(StrEnum):
    GRANTED = "granted"
    FORBIDDEN = "forbidden"
    UNSEEN = "unseen"
    """As if it did not exist."""


class Need(StrEnum):
    """The least scope of an API token that suffices; `LOGIN`: none does."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    LOGIN = "login"


Rule = Callable[[Role, Place], Outcome]

_SEE_EVERYTHING = {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST}
_WRITE_EVERYTHING = {Role.OWNER, Role.ADMIN, Role.MANAGER}
_WRITE = _WRITE_EVERYTHING | {Role.MEMBER}
_ADMINISTER = {Role.OWNER, Role.ADMIN}


def sees(role: Role, place: Place) -> bool:
    return (
        role in _SEE_EVERYTHING
        or place is Place.SHARED
        or (place is Place.OWN and role is Role.MEMBER)
    )


def differing(role: Role, places: list[Place]) -> list[Place]:
    """Those of `places` that may differ for the role: to who sees everything they are one."""
    return places[-1:] if role in _SEE_EVERYTHING else places


def anybody(role: Role, place: Place) -> Outcome:
    return Outcome.GRANTED


def administrators(role: Role, place: Place) -> Outcome:
    return Outcome.GRANTED if role in _ADMINISTER else Outcome.FORBIDDEN


def seers(role: Role, place: Place) -> Outcome:
    return Outcome.GRANTED if sees(role, place) else Outcome.UNSEEN


def bookers(role: Role, place: Place) -> Outcome:
    """Who writes the ledger, on what they see."""
    if role not in _WRITE:
        return Outcome.FORBIDDEN
    return seers(role, place)


def owners(role: Role, place: Place) -> Outcome:
    """Whose it is, and who writes anybody's."""
    outcome = bookers(role, place)
    if outcome is Outcome.GRANTED and role is Role.MEMBER and place is not Place.OWN:
        return Outcome.FORBIDDEN
    return outcome


def managers(role: Role, place: Place) -> Outcome:
    """Who writes for the whole organization."""
    return Outcome.GRANTED if role in _WRITE_EVERYTHING else Outcome.FORBIDDEN


def givers(role: Role, place: Place) -> Outcome:
    """Who may say that something is another's; for others who write it is there if they see it."""
    outcome = bookers(role, place)
    if outcome is Outcome.GRANTED and role not in _WRITE_EVERYTHING:
        return Outcome.FORBIDDEN
    return outcome


def owning_seers(role: Role, place: Place) -> Outcome:
    """Whose it is, and who sees the whole organization."""
    outcome = seers(role, place)
    if outcome is Outcome.GRANTED and role not in _SEE_EVERYTHING and place is not Place.OWN:
        return Outcome.FORBIDDEN
    return outcome


def holders(role: Role, place: Place) -> Outcome:
    """Of an API token: whose it is, and who administers."""
    if role in _ADMINISTER or (role is Role.MEMBER and place is Place.OWN):
        return Outcome.GRANTED
    return Outcome.UNSEEN


def askers(role: Role, place: Place) -> Outcome:
    """Whose it is, and nobody else."""
    whose = {Place.OWN: Role.MEMBER, Place.HIDDEN: Role.OWNER, Place.SHARED: Role.OWNER}
    return Outcome.GRANTED if role is whose[place] else Outcome.UNSEEN


def query_readers(role: Role, place: Place) -> Outcome:
    """A query is shared with everybody or seen by its owner."""
    return Outcome.GRANTED if place is Place.SHARED else askers(role, place)


def exporters(role: Role, place: Place) -> Outcome:
    """Of a saved query: whoever may run it and is no viewer."""
    return Outcome.FORBIDDEN if role is Role.VIEWER else query_readers(role, place)


def query_owners(role: Role, place: Place) -> Outcome:
    if role is Role.VIEWER:
        return Outcome.FORBIDDEN
    outcome = askers(role, place)
    return Outcome.FORBIDDEN if outcome is Outcome.UNSEEN and place is Place.SHARED else outcome


def query_removers(role: Role, place: Place) -> Outcome:
    """Also who administers, of what is shared."""
    if role in _ADMINISTER and place is Place.SHARED:
        return Outcome.GRANTED
    return query_owners(role, place)


def all_but_viewers(role: Role, place: Place) -> Outcome:
    return Outcome.FORBIDDEN if role is Role.VIEWER else Outcome.GRANTED


def whole_organization(role: Role, place: Place) -> Outcome:
    """Who sees all that the organization has."""
    return Outcome.GRANTED if role in _SEE_EVERYTHING else Outcome.FORBIDDEN
