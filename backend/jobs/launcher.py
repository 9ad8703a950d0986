"""Starting runs and asking how they go: the port, and its adapter to Dagster's GraphQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import httpx

from backend.errors import Unavailable
from backend.jobs.models import RefreshStatus
from backend.jobs.progress import Progress, progress_of

CODE_LOCATION = "outlay"
REPOSITORY = "__repository__"  # the name Dagster gives to the definitions of a code location
REFRESH_JOB = "refresh"
EXPORT_JOB = "export"
EXPORT_OP = "write_export"
GENERATION_TAG = "outlay/generation"  # a run's tag that names what it published
FULL_TAG = "outlay/full"  # "true": everything is built anew, nothing is taken over
DONE_BY_TAG = "outlay/done-by"  # the run that did the work of this one, which waited in vain

TIMEOUT_SECONDS = 5.0
RETRY_AFTER_SECONDS = 10

_Json = dict[str, Any]

_STATUSES = {
    "QUEUED": RefreshStatus.QUEUED,
    "NOT_STARTED": RefreshStatus.QUEUED,
    "MANAGED": RefreshStatus.QUEUED,
    "STARTING": RefreshStatus.RUNNING,
    "STARTED": RefreshStatus.RUNNING,
    "SUSPENDED": RefreshStatus.RUNNING,
    "CANCELING": RefreshStatus.RUNNING,
    "SUCCESS": RefreshStatus.SUCCEEDED,
    "FAILURE": RefreshStatus.FAILED,
    "CANCELED": RefreshStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class RunState:
    """How a run stands. `reason` may be shown to anybody: it names no data and no tenant."""

    status: RefreshStatus
    generation: str | None = None
    reason: str | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None


class Launcher(Protocol):
    """Every method but `aclose` raises Unavailable, with a reason, when nobody answers."""

    turn: asyncio.Lock
    """For this process's callers: held from looking for a queued run to launching one."""

    async def queued_refresh(self, *, full: bool = False) -> UUID | None:
        """A refresh that waits for its turn: what is committed now will be in it.

        With `full`, one that builds everything anew.
        """

    async def launch_refresh(self, *, full: bool = False) -> UUID: ...

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID: ...

    async def terminate(self, run_id: UUID) -> None:
        """Ask the run to end; nothing is said of one that has ended already."""

    async def run_state(self, run_id: UUID) -> RunState: ...

    async def healthy(self) -> bool:
        """Whether refreshes can be launched; never raises."""

    async def aclose(self) -> None: ...


class DagsterLauncher:
    """Dagster's GraphQL at `graphql_url`. It has no authentication, so it must not be public."""

    def __init__(self, graphql_url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.turn = asyncio.Lock()
        self._url = graphql_url
        self._client = httpx.AsyncClient(timeout=timeout_seconds, trust_env=False)

    async def queued_refresh(self, *, full: bool = False) -> UUID | None:
        data = await self._ask(_QUEUED, {"job": REFRESH_JOB, "tags": _FULL if full else []})
        runs = _expect(data["runsOrError"], "Runs")["results"]
        return UUID(runs[-1]["runId"]) if runs else None  # the newest comes first

    async def launch_refresh(self, *, full: bool = False) -> UUID:
        return await self._launch(REFRESH_JOB, tags=(*_FULL, _FIRST) if full else ())

    async def launch_export(self, export_id: UUID, organization_id: UUID) -> UUID:
        ids = {"export_id": str(export_id), "organization_id": str(organization_id)}
        return await self._launch(EXPORT_JOB, config={"ops": {EXPORT_OP: {"config": ids}}})

    async def terminate(self, run_id: UUID) -> None:
        await self._ask(_TERMINATE, {"run": str(run_id)})

    async def run_state(self, run_id: UUID) -> RunState:
        """Of the run, or of the one that did its work.

        That is one which Dagster put in its place after its process had died, or one which began
        while it waited.
        """
        data = await self._ask(_STATE, {"run": str(run_id)})
        run = data["runOrError"]
        if run["__typename"] == "RunNotFoundError":
            return RunState(RefreshStatus.FAILED, reason="The run is no longer known.")
        tags = {tag["key"]: tag["value"] for tag in _expect(run, "Run")["tags"]}
        successor = tags.get("dagster/auto_retry_run_id", tags.get(DONE_BY_TAG))
        if successor is not None:
            return await self.run_state(UUID(successor))
        if run["status"] == "FAILURE" and tags.get("dagster/will_retry") == "true":
            return RunState(RefreshStatus.QUEUED)
        return _state(run, tags)

    async def healthy(self) -> bool:
        try:
            data = await self._ask(_LOCATION, {"location": CODE_LOCATION})
        except Unavailable:
            return False
        entry = data.get("workspaceLocationEntryOrError") or {}
        loaded = entry.get("locationOrLoadError") or {}
        return loaded.get("__typename") == "RepositoryLocation"

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _launch(
        self, job: str, *, config: Mapping[str, object] | None = None, tags: Sequence[_Json] = ()
    ) -> UUID:
        run = {
            "job": job,
            "repository": REPOSITORY,
            "location": CODE_LOCATION,
            "config": config or {},
            "tags": [_tag("outlay/trigger", "api"), *tags],
        }
        data = await self._ask(_LAUNCH, run)
        launched = _expect(data["launchPipelineExecution"], "LaunchRunSuccess")
        return UUID(launched["run"]["runId"])

    async def _ask(self, query: str, variables: Mapping[str, object]) -> _Json:
        try:
            answer = await self._client.post(
                self._url, json={"query": query, "variables": variables}
            )
        except httpx.TimeoutException:
            raise _unavailable("it did not answer in time") from None
        except httpx.HTTPError:
            raise _unavailable("it cannot be reached") from None
        if answer.status_code != httpx.codes.OK:
            raise _unavailable(f"it answered with status {answer.status_code}")
        try:
            body = answer.json()
        except ValueError:
            raise _unavailable("it answered with something else than JSON") from None
        if body.get("errors") or not body.get("data"):
            raise _unavailable("it refused the request")
        data: _Json = body["data"]
        return data


def _unavailable(reason: str) -> Unavailable:
    return Unavailable(
        f"Refreshes and exports are run by Dagster, and {reason}. "
        "The published data is still served.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _expect(answer: _Json, kind: str) -> _Json:
    """`answer`, or Unavailable when Dagster answered with one of its error types.

    Dagster's own message is not passed on: it may hold a stack trace.
    """
    if answer["__typename"] != kind:
        raise _unavailable(f"it answered with {answer['__typename']}")
    return answer


def _state(run: _Json, tags: Mapping[str, str]) -> RunState:
    status = _STATUSES.get(run["status"], RefreshStatus.RUNNING)
    failed_steps = [s["stepKey"] for s in run["stepStats"] if s["status"] == "FAILURE"]
    return RunState(
        status=status,
        generation=tags.get(GENERATION_TAG),
        reason=_reason(status, failed_steps),
        finished_at=None if run["endTime"] is None else datetime.fromtimestamp(run["endTime"], UTC),
        progress=progress_of(run["stepStats"], run["startTime"]),
    )


def _reason(status: RefreshStatus, failed_steps: list[str]) -> str | None:
    """Only where it failed: the details may concern other organizations, so operators read them."""
    if status is RefreshStatus.CANCELLED:
        return "An operator cancelled the run."
    if status is not RefreshStatus.FAILED:
        return None
    if not failed_steps:
        return "The run ended before it was done; the previous data is still served."
    return f"The step {failed_steps[0]!r} failed; the previous data is still served."


def _tag(key: str, value: str) -> _Json:
    return {"key": key, "value": value}


_FULL = (_tag(FULL_TAG, "true"),)
_FIRST = _tag("dagster/priority", "1")  # then those that wait beside it need not run at all

_QUEUED = """
query Queued($job: String!, $tags: [ExecutionTag!]!) {
  runsOrError(filter: {pipelineName: $job, statuses: [QUEUED], tags: $tags}) {
    __typename
    ... on Runs { results { runId } }
  }
}
"""

_LAUNCH = """
mutation Launch(
  $job: String!, $repository: String!, $location: String!, $config: RunConfigData
  $tags: [ExecutionTag!]!
) {
  launchPipelineExecution(executionParams: {
    selector: {
      jobName: $job, repositoryName: $repository, repositoryLocationName: $location
    }
    runConfigData: $config
    executionMetadata: {tags: $tags}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
  }
}
"""

_STATE = """
query State($run: ID!) {
  runOrError(runId: $run) {
    __typename
    ... on Run {
      status
      startTime
      endTime
      tags { key value }
      stepStats { stepKey status }
    }
  }
}
"""

_TERMINATE = """
mutation Terminate($run: String!) {
  terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) { __typename }
}
"""

_LOCATION = """
query Location($location: String!) {
  workspaceLocationEntryOrError(name: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename } }
  }
}
"""
