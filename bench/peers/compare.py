"""The same questions to us, with authentication and the row filter on, and to a peer without."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from backend.cli.ports import free_port
from bench.callers import Caller
from bench.common import skipped
from bench.load import Call, load
from bench.peers.datasette import Datasette
from bench.peers.environment import PeerUnavailable, programs
from bench.peers.peer import Peer, records
from bench.peers.roapi import Roapi
from bench.queries.over_http import UNCACHED, Rounds, answered, posted, rows_of
from bench.queries.people import Callers
from bench.queries.questions import BY_MONTH_AND_CATEGORY
from bench.queries.server_time import NAME
from bench.queries.world import World
from bench.serving import running, serving, wait_for

PEERS: tuple[Peer, ...] = (Datasette(), Roapi())
_STARTS_WITHIN_SECONDS = 120
_TRIAL_SECONDS = 3

Forms = Callable[[str, UUID], Mapping[str, Call]]


def peers(world: World, callers: Callers, rounds: Rounds) -> None:
    with serving(world.settings, "api.app:create_app", UNCACHED) as ours:
        for peer in PEERS:
            try:
                found = programs(peer.name, peer.version)
            except PeerUnavailable as error:
                skipped(NAME, f"f: {peer.name} {peer.version}", str(error))
                continue
            with tempfile.TemporaryDirectory(prefix="outlay-peer-") as folder:
                peer.prepare(world.database, Path(folder))
                port = free_port()
                with running(peer.command(found, Path(folder), port)):
                    url = f"http://127.0.0.1:{port}"
                    wait_for(url + peer.ready, seconds=_STARTS_WITHIN_SECONDS)
                    _compare(peer, url, ours, callers=callers, rounds=rounds, total=world.rows)


def _compare(
    peer: Peer, theirs: str, ours: str, *, callers: Callers, rounds: Rounds, total: int
) -> None:
    """Every member in turn, so that no answer can be kept for the next request."""
    for what, asked, forms, figures in (
        ("1,000 rows", rows_of, peer.rows, _events),
        ("month x category", _grouped, peer.groups, _groups),
    ):
        mine = [asked(ours, caller) for caller in callers.members]
        form = _fastest(theirs, forms, callers.members, mine[0], figures)
        calls = [forms(theirs, caller.scope.user_id)[form] for caller in callers.members]
        rounds.compare(
            f"f: {what} over HTTP, uncached; floor: {peer.name} {peer.version}, {form}",
            mine,
            calls,
            rows=total,
            aim=4,
        )


def _fastest(
    url: str,
    forms: Forms,
    members: Sequence[Caller],
    ours: Call,
    figures: Callable[[Any], dict[Any, tuple[float, ...]]],
) -> str:
    """Which form has the highest rate; each must answer what we do."""
    expected = figures(answered(ours).json())
    rates = {}
    for form, call in forms(url, members[0].scope.user_id).items():
        found = figures(answered(call).json())
        assert found.keys() == expected.keys(), f"{form} answers other rows"
        for key, values in expected.items():
            assert all(map(_is_close, values, found[key])), (form, key, values, found[key])
        calls = [forms(url, member.scope.user_id)[form] for member in members]
        rates[form] = load(calls, seconds=_TRIAL_SECONDS).per_second
    return max(rates, key=rates.__getitem__)


def _grouped(url: str, caller: Caller) -> Call:
    return posted(url, caller, BY_MONTH_AND_CATEGORY)


def _events(answer: Any) -> dict[Any, tuple[float, ...]]:  # noqa: ANN401  # JSON
    """The amounts by event."""
    return {
        (place, row["cost_event_id"]): (_number(row["amount"]), _number(row["base_amount"]))
        for place, row in enumerate(records(answer))
    }


def _groups(answer: Any) -> dict[Any, tuple[float, ...]]:  # noqa: ANN401  # JSON
    """Total and number by month, category and currency; null is a group of its own."""
    groups: dict[Any, tuple[float, ...]] = {}
    for row in records(answer):
        month = row.get("month") or row["cost_date_month"]
        name = row.get("name") or row.get("category.name")
        groups[month[:10], name, row["currency"]] = (_number(row["total_cost"]), row["events"])
    return groups


def _number(value: str | float) -> float:
    return float(Decimal(value))


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
