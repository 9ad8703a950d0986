"""An entry of the matrix: a valid request, and what becomes of it for whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import httpx

from tests.security.access import Need, Outcome, Rule
from tests.world import Place, Side

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Id:
    """Where the id of one of the world's things goes.

    `absent` is the answer's status for one that does not exist, where it is not the usual one.
    """

    kind: str
    absent: int | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """One `Id` of an entry; `pointer` is a JSON pointer or the name of a parameter."""

    where: Literal["path", "query", "body"]
    pointer: str
    id: Id

    @property
    def absent(self) -> int:
        return self.id.absent or (422 if self.where == "body" else 404)


Resolve = Callable[[Spot], UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`access` says for whom the answer is `ok`; `fills` holds the path parameters.

    Without an `Id` of its own, `{account_id}` is filled with an `account`. `note` tells entries
    of one route apart.
    """

    method: str
    path: str
    access: Rule
    ok: int
    need: Need
    fills: Mapping[str, Id | str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None
    content_type: str | None = None
    dry_run: bool = True
    note: str = ""

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" ({self.note})" if self.note else "")

    def spots(self) -> list[Spot]:
        return [
            *(Spot("path", n, v) for n, v in self.fills.items() if isinstance(v, Id)),
            *(Spot("query", n, v) for n, v in self.query.items() if isinstance(v, Id)),
            *_in_body(self.body, "#"),
        ]

    def places(self, side: Side) -> list[Place]:
        """Where all that the request names is to be found; one of them if nothing has a place."""
        known = [p for s in self.spots() if (p := side.places(s.id.kind)) is not None]
        if not known:
            return [Place.SHARED]
        return [place for place in Place if all(place in among for among in known)]

    def statuses(self, outcome: Outcome, side: Side) -> set[int]:
        """Of the answer when everything that the request names is in one place.

        Of several things that are not to be seen, the answer may be about any.
        """
        if outcome is Outcome.GRANTED:
            return {self.ok}
        if outcome is Outcome.FORBIDDEN:
            return {403}
        return {s.absent for s in self.spots() if side.places(s.id.kind) is not None}

    async def send(
        self, client: httpx.AsyncClient, resolve: Resolve, **options: Any
    ) -> httpx.Response:
        fills = {
            n: resolve(Spot("path", n, v)) if isinstance(v, Id) else v
            for n, v in self.fills.items()
        }
        query = {
            n: str(resolve(Spot("query", n, v))) if isinstance(v, Id) else v
            for n, v in self.query.items()
        }
        if self.method in WRITES and self.dry_run:
            query["dry_run"] = "true"
        if self.content is not None:
            options |= {"content": self.content}
            options["headers"] = {"Content-Type": self.content_type} | options.get("headers", {})
        elif self.body is not None:
            options |= {"json": _filled(self.body, "#", resolve)}
        return await client.request(self.method, self.path.format(**fills), params=query, **options)


def at(side: Side, place: Place) -> Resolve:
    """Everything in one place of one organization."""
    return lambda spot: side.find(spot.id.kind, place)


def but(resolve: Resolve, spot: Spot, identity: UUID) -> Resolve:
    """The same but for one id."""
    return lambda other: identity if other == spot else resolve(other)


def get(path: str, access: Rule, *, need: Need = Need.READ, **options: Any) -> Entry:
    return _entry("GET", path, access, need=need, ok=options.pop("ok", 200), **options)


def post(path: str, access: Rule, body: Any = None, **options: Any) -> Entry:
    return _entry("POST", path, access, body=body, ok=options.pop("ok", 201), **options)


def put(path: str, access: Rule, body: Any = None, **options: Any) -> Entry:
    return _entry("PUT", path, access, body=body, ok=options.pop("ok", 200), **options)


def patch(path: str, access: Rule, body: Any = None, **options: Any) -> Entry:
    return _entry("PATCH", path, access, body=body, ok=options.pop("ok", 200), **options)


def delete(path: str, access: Rule, **options: Any) -> Entry:
    return _entry("DELETE", path, access, ok=options.pop("ok", 204), **options)


@dataclass(frozen=True, slots=True)
class Public:
    """A route that is open to strangers, and what one gets who knows no secret."""

    method: str
    path: str
    status: int
    body: Any = None

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _entry(method: str, path: str, access: Rule, **options: Any) -> Entry:
    options.setdefault("need", Need.WRITE)
    given = options.pop("fills", {})
    names = re.findall(r"\{(\w+)\}", path)
    fills = {name: given.get(name, Id(name.removesuffix("_id"))) for name in names}
    return Entry(method=method, path=path, access=access, fills=fills, **options)


def _in_body(value: Any, pointer: str) -> Iterator[Spot]:
    if isinstance(value, Id):
        yield Spot("body", pointer, value)
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _in_body(below, f"{pointer}/{name}")
    elif isinstance(value, list):
        for n, below in enumerate(value):
            yield from _in_body(below, f"{pointer}/{n}")


def _filled(value: Any, pointer: str, resolve: Resolve) -> Any:
    if isinstance(value, Id):
        return str(resolve(Spot("body", pointer, value)))
    if isinstance(value, dict):
        return {n: _filled(below, f"{pointer}/{n}", resolve) for n, below in value.items()}
    if isinstance(value, list):
        return [_filled(below, f"{pointer}/{n}", resolve) for n, below in enumerate(value)]
    return value
