"""The route class of the API: what every write promises, whatever it writes.

A write runs in one transaction that is still open when its answer is rendered: FastAPI closes
dependencies of scope "function" only after the handler below has returned. So the answer can be
kept under its key, or all of it taken back, before anything is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Depends, Request, Response, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncSession

from api import dry_run, idempotency
from api.deps import CurrentScope, Session, State, get_state
from api.dry_run import DryRun
from api.preconditions import etag, if_match
from api.problems import described_headers, problem_responses
from api.schemas.common import Versioned
from backend.db.outage import reachable_session
from backend.errors import (
    MAX_FAULTS,
    Conflict,
    FieldError,
    InvalidInput,
    PreconditionFailed,
    PreconditionRequired,
    did_you_mean,
)
from backend.idempotency import keys
from backend.scope import Scope

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_HEADERS = {
    idempotency.REPLAYED: "`true` when this repeats the answer of an earlier try.",
    dry_run.HEADER: "`true` when nothing was changed.",
}
_ETAG = {"ETag": "The `version`, as `If-Match` takes it."}
_LOCATION = {"Location": "Where to find it."}
_FOUND_LATER = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Write:
    """A write under way."""

    session: AsyncSession
    scope: Scope
    claimed: keys.Request | None
    dry: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch under way, by a request with a key."""

    scope: Scope
    claimed: keys.Request


async def begin_write(
    *,
    request: Request,
    session: Session,
    scope: CurrentScope,
    state: State,
    dry: DryRun,
    key: idempotency.Key = None,
) -> None:
    claimed = None
    if key is not None and not dry:  # a dry run leaves nothing behind, so its key stays free
        secret = state.settings.secrets.jwt
        claimed = await idempotency.begin(session, scope, request, key, secret)
    request.state.write = Write(session, scope, claimed, dry)


async def finish_write(request: Request, response: Response) -> Response:
    write: Write = request.state.write
    if write.dry:
        await dry_run.take_back(write.session, response)
    elif write.claimed is not None:
        secret = get_state(request).settings.secrets.jwt
        await idempotency.finish(write.session, write.scope, write.claimed, response, secret)
    return response


async def begin_launch(
    *, request: Request, scope: CurrentScope, state: State, key: idempotency.Key = None
) -> None:
    request.state.launch = None
    if key is not None:
        secret = state.settings.secrets.jwt
        async with reachable_session(state.engine, scope.organization_id) as session:
            claimed = await idempotency.begin(session, scope, request, key, secret)
        request.state.launch = Launch(scope, claimed)


async def finish_launch(request: Request, response: Response) -> Response:
    launch: Launch | None = request.state.launch
    if launch is None:
        return response
    state = get_state(request)
    secret = state.settings.secrets.jwt
    async with reachable_session(state.engine, launch.scope.organization_id) as session:
        kept = await keys.claim(session, launch.scope, launch.claimed)
        if kept is not None:  # a twin was quicker: both tell the same
            return idempotency.repeat(kept, secret)
        await idempotency.finish(session, launch.scope, launch.claimed, response, secret)
    return response


class Route(APIRoute):
    """Writes honour `Idempotency-Key` and `dry_run`; what has a version answers with its `ETag`."""

    begin: Callable[..., Awaitable[None]] = staticmethod(begin_write)
    finish: Callable[[Request, Response], Awaitable[Response]] = staticmethod(finish_write)

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: set[str] | list[str] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Any,  # noqa: ANN401  # the framework's own
    ) -> None:
        self.writes = not _WRITES.isdisjoint(methods or ())
        if self.writes:
            dependencies = [*(dependencies or ()), Depends(self.begin)]
        super().__init__(path, endpoint, methods=methods, dependencies=dependencies, **options)
        model = self.response_model
        self.versioned = isinstance(model, type) and issubclass(model, Versioned)
        self.responses = self._promises() | self.responses

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = _query_names(self.dependant)

        async def answer(request: Request) -> Response:
            _refuse_repeated(request)
            if self.writes:
                _refuse_unknown(request, known)
            try:
                response = await handle(request)
            except idempotency.Repeated as repeated:
                return repeated.response
            if self.versioned:
                response.headers["ETag"] = etag(from_json(bytes(response.body))["version"])
            return await self.finish(request, response) if self.writes else response

        return answer

    def _promises(self) -> dict[int | str, dict[str, Any]]:
        """What the OpenAPI document says of all this."""
        always = (_ETAG if self.versioned else {}) | (_LOCATION if self._tells_location() else {})
        headers = described_headers(always, always=True)
        if self.writes:
            headers |= described_headers(_HEADERS)
        promises: dict[int | str, dict[str, Any]] = {}
        if headers:
            promises[self.status_code or 200] = {"headers": headers}
        if self.writes:
            promises |= problem_responses(Conflict, InvalidInput)
        if any(d.call is if_match for d in self.dependant.dependencies):
            promises |= problem_responses(PreconditionFailed, PreconditionRequired)
        return promises

    def _tells_location(self) -> bool:
        """A place is made of the request's routes, and put into the response's headers."""
        parameters = self.dependant.request_param_name, self.dependant.response_param_name
        return self.status_code in _FOUND_LATER and all(parameters)


class LaunchRoute(Route):
    """For writes that start something outside the database, which no dry run could take back.

    No transaction is open meanwhile, so that no connection waits for what is outside. Two tries at
    once with one key may both start it; they are answered alike.
    """

    begin = staticmethod(begin_launch)
    finish = staticmethod(finish_launch)


def _query_names(dependant: Dependant) -> set[str]:
    names: set[str] = set()
    for field in dependant.query_params:
        shape = field.field_info.annotation
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            names |= shape.model_fields.keys()
        else:
            names.add(field.alias)
    return names.union(*(_query_names(d) for d in dependant.dependencies))


def _refuse_repeated(request: Request) -> None:
    """No parameter of these routes is a list: of two values, one would be ignored."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    errors = [FieldError(name[:100], "Give it once.") for name, n in counts.items() if n > 1]
    if errors:
        raise InvalidInput("A parameter is here more than once.", errors=errors[:MAX_FAULTS])


def _refuse_unknown(request: Request, known: set[str]) -> None:
    """A parameter that is not understood could have been meant as `dry_run`."""
    unknown = sorted(request.query_params.keys() - known)[:MAX_FAULTS]
    if unknown:
        raise InvalidInput(
            "There is no such parameter.",
            errors=[FieldError(name[:100], did_you_mean(name, sorted(known))) for name in unknown],
        )
