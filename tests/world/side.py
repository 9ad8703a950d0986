"""One organization of the world: who is in it, what there is, and what nobody else may read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from backend.scope import Role, Scope

OURS, THEIRS = "marker-ours", "marker-theirs"
UNKNOWN = UUID("0198f1a2-0000-7000-8000-000000000000")


class Place(StrEnum):
    """Whose something is, and who is shown it besides the roles that see the whole organization.

    SHARED is the owner's, shown to member and viewer; OWN is the member's and HIDDEN the owner's,
    both shown to nobody.
    """

    SHARED = "shared"
    OWN = "own"
    HIDDEN = "hidden"


# One id in each place that there is one in, or the same for everybody.
Ids: TypeAlias = "UUID | Mapping[Place, UUID]"


@dataclass(slots=True)
class Side:
    """`ids` are keyed by the kind of thing: `account` is what `{account_id}` takes.

    `tokens` are API tokens of the owner by their scopes.
    """

    marker: str
    organization_id: UUID
    members: dict[Role, Scope] = field(default_factory=dict)
    ids: dict[str, Ids] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def text(self, what: str, place: Place | None = None) -> str:
        """A name or description that says whose it is."""
        return f"{self.marker} {what}" if place is None else f"{self.marker}-{place} {what}"

    def email(self, who: str) -> str:
        return f"{self.marker}.{who}@example.com"

    def find(self, kind: str, place: Place) -> UUID:
        found = self.ids[kind]
        return found if isinstance(found, UUID) else found[place]

    def places(self, kind: str) -> frozenset[Place] | None:
        """Where there is one; None for what has no place."""
        found = self.ids[kind]
        return None if isinstance(found, UUID) else frozenset(found)

    def all_ids(self) -> Iterator[UUID]:
        yield self.organization_id
        yield from (scope.user_id for scope in self.members.values())
        for found in self.ids.values():
            yield from [found] if isinstance(found, UUID) else found.values()

    def ids_in(self, place: Place) -> Iterator[UUID]:
        for found in self.ids.values():
            if not isinstance(found, UUID) and place in found:
                yield found[place]
