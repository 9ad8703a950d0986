"""Requests a second over HTTP, of eight connections, against routes that do the same otherwise."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import pyarrow as pa
import pyarrow.ipc

from backend.settings import Settings
from backend.warehouse.spec import MAX_LIMIT, QuerySpec
from bench.callers import Caller
from bench.common import report
from bench.load import Call, Load, load
from bench.queries.people import Callers
from bench.queries.questions import BY_MONTH_AND_CATEGORY, DATASET, ROWS
from bench.queries.server_time import NAME
from bench.serving import serving

UNCACHED = {"OUTLAY_RESULT_CACHE_BYTES": "0"}
PATH = f"/api/analytics/datasets/{DATASET}/query"


@dataclass(frozen=True, slots=True)
class Rounds:
    """Each side is under load so many times, for so many seconds, in turn."""

    times: int
    seconds: float

    def run(self, sides: Sequence[Sequence[Call]]) -> list[Load]:
        """The round of each side whose rate is its median."""
        for calls in sides:
            load(calls, seconds=self.seconds / 4)  # warms it up
        rounds = [[load(calls, seconds=self.seconds) for calls in sides] for _ in range(self.times)]
        return [_median(side) for side in zip(*rounds, strict=True)]

    def compare(
        self,
        case: str,
        ours: Sequence[Call],
        floor: Sequence[Call],
        *,
        rows: int,
        aim: float | None,
    ) -> None:
        mine, theirs = self.run([ours, floor])
        report_rate(case, mine, theirs, rows=rows, aim=aim)


def report_rate(case: str, ours: Load, floor: Load, *, rows: int, aim: float | None) -> None:
    report(
        NAME,
        case,
        ours=ours.per_second,
        floor=floor.per_second,
        unit="requests/s",
        rows=rows,
        aim=aim,
        better="higher",
    )


def _median(rounds: Sequence[Load]) -> Load:
    middle = statistics.median_low(round_.per_second for round_ in rounds)
    return next(round_ for round_ in rounds if round_.per_second == middle)


def asked_of(caller: Caller) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {caller.token}"}


def rows_of(url: str, caller: Caller, **parameters: object) -> Call:
    query = httpx.QueryParams({"limit": ROWS.limit, **{k: str(v) for k, v in parameters.items()}})
    return Call(f"{url}{PATH}?{query}", asked_of(caller))


def posted(url: str, caller: Caller, spec: QuerySpec) -> Call:
    headers = {**asked_of(caller), "Content-Type": "application/json"}
    body = spec.model_dump_json(exclude_defaults=True, exclude={"dataset"})
    return Call(f"{url}{PATH}", headers, "POST", body)


def answered(call: Call) -> httpx.Response:
    """The answer to one such request, which must be as it is expected."""
    response = httpx.request(
        call.method, call.url, headers=dict(call.headers), content=call.body or None, timeout=60
    )
    assert response.status_code == call.status, response.text
    return response


def against_the_obvious_way(
    settings: Settings, callers: Callers, rounds: Rounds, *, rows: int
) -> None:
    with (
        serving(settings, "api.app:create_app", UNCACHED) as ours,
        serving(settings, "bench.queries.naive_app:create_app") as floor,
    ):
        naive = [Call(f"{floor}/naive", asked_of(caller)) for caller in callers.members]
        mine = [rows_of(ours, caller) for caller in callers.members]
        found = [event["cost_event_id"] for event in answered(naive[0]).json()]
        assert [row["cost_event_id"] for row in answered(mine[0]).json()["rows"]] == found
        rounds.compare(
            "b: 1,000 rows over HTTP, uncached; floor: a connection a request, dicts, Pydantic",
            mine,
            naive,
            rows=rows,
            aim=5,
        )


def kept_answers(settings: Settings, callers: Callers, rounds: Rounds, *, rows: int) -> None:
    """Answers from the result cache, and those that tell that nothing has changed."""
    with (
        serving(settings, "api.app:create_app") as ours,
        serving(settings, "bench.floor_app:create_app") as floor,
    ):
        asked = asked_of(callers.member)
        for what, call in (
            ("1,000 rows", rows_of(ours, callers.member)),
            ("month x category", posted(ours, callers.member, BY_MONTH_AND_CATEGORY)),
        ):
            body = answered(call).content
            answered(Call(f"{floor}/floor", asked, "PUT", body.decode(), 204))
            rounds.compare(
                f"d: {what} from the result cache; floor: authenticate and send the same bytes",
                [call],
                [Call(f"{floor}/floor", asked)],
                rows=rows,
                aim=0.7,
            )
        call = rows_of(ours, callers.member)
        etag = answered(call).headers["ETag"]
        unchanged = Call(call.url, {**call.headers, "If-None-Match": etag}, status=304)
        rounds.compare(
            "d: 304 for 1,000 rows; floor: authenticate and send 304",
            [unchanged],
            [Call(f"{floor}/floor/unchanged", asked, status=304)],
            rows=rows,
            aim=0.7,
        )


def arrow(settings: Settings, callers: Callers, rounds: Rounds, *, rows: int) -> None:
    with serving(settings, "api.app:create_app", UNCACHED) as ours:
        all_rows = MAX_LIMIT  # of one person
        json = [rows_of(ours, caller, limit=all_rows) for caller in callers.members]
        streams = [
            rows_of(ours, caller, limit=all_rows, format="arrow") for caller in callers.members
        ]
        sent = pa.ipc.open_stream(answered(streams[0]).content).read_all()
        assert len(answered(json[0]).json()["rows"]) == sent.num_rows
        rounds.compare(
            "e: every row of one person as Arrow over HTTP, uncached; floor: as JSON",
            streams,
            json,
            rows=rows,
            aim=None,
        )
