"""Every error as RFC 9457 `application/problem+json`: what went wrong and where, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.database_errors import translate
from api.faults import faults_in
from api.preconditions import IF_MATCH
from backend.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    NotFound,
    OutlayError,
    PreconditionRequired,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499

# Our own words: the standard library's differ between versions of Python, and a type is stable.
_STATUSES: dict[int, tuple[str, str | None]] = {
    404: ("Not found", "There is nothing at this path."),
    405: ("Method not allowed", "This method is not possible here."),
    413: ("Content too large", None),
    416: ("Range not satisfiable", "The file ends before this range."),
}

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


_log = structlog.get_logger(__name__)


class ProblemError(BaseModel):
    pointer: str = Field(description="JSON pointer into the body, or the name of a parameter.")
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(description="A stable URN of the kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    errors: list[ProblemError] = Field(default_factory=list)


_HEADERS = {
    Unauthenticated: {"WWW-Authenticate": "How to authenticate: `Bearer`."},
    TooManyRequests: {"Retry-After": "Seconds until there is room for another request."},
    Unavailable: {"Retry-After": "Seconds after which it may work; absent when nobody can tell."},
}


def described_headers(descriptions: Mapping[str, str], *, always: bool = False) -> dict[str, Any]:
    """Headers of an answer, as the OpenAPI document has them."""
    return {
        name: {"description": description, "schema": {"type": "string"}, "required": always}
        for name, description in descriptions.items()
    }


def problem_response(title: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": title, "content": content}


def problem_responses(*errors: type[OutlayError]) -> dict[int | str, dict[str, Any]]:
    """What a route documents as its possible problems."""
    return {
        e.status: problem_response(e.title) | {"headers": described_headers(_HEADERS.get(e, {}))}
        for e in errors
    }


# Any route that knows its caller can answer with these.
COMMON_RESPONSES = problem_responses(
    Unauthenticated, Forbidden, NotFound, InvalidInput, TooManyRequests, Unavailable
)
READ_RESPONSES = problem_responses(NotFound)
WRITE_RESPONSES = problem_responses(Forbidden, NotFound, Conflict)


def schemas() -> dict[str, Any]:
    """Components of the OpenAPI document that `problem_responses` refers to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def respond(
    request: Request,
    *,
    slug: str,
    title: str,
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> JSONResponse:
    problem = Problem(
        type=f"urn:outlay:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=[ProblemError(pointer=e.pointer, detail=e.detail) for e in errors],
    )
    content = problem.model_dump(exclude_defaults=True) | dict(extensions or {})
    return JSONResponse(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def _outlay_error(request: Request, error: OutlayError) -> JSONResponse:
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(
        request,
        slug=error.slug,
        title=error.title,
        status=error.status,
        detail=error.detail,
        errors=error.errors,
        headers=headers,
    )


def respond_to_status(request: Request, error: HTTPException) -> JSONResponse:
    """For refusals of the framework, which know a status and little more."""
    if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI could not read the body
        fault = FieldError("#", "Not JSON in UTF-8, or nested too deeply.")
        return _outlay_error(request, InvalidInput("The request is not valid.", errors=[fault]))
    title, detail = _STATUSES.get(error.status_code, ("Refused", None))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return respond(
        request,
        slug=title.lower().replace(" ", "-"),
        title=title,
        status=error.status_code,
        detail=detail or error.detail,
        headers=headers,
    )


def _allowed(request: Request) -> list[str]:
    """What the path takes; the framework only knows the methods of one of its routes."""
    routes: Sequence[BaseRoute] = request.app.routes
    return [
        method
        for method in _METHODS
        if any(r.matches({**request.scope, "method": method})[0] is Match.FULL for r in routes)
    ]


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    if any(e["type"] == "missing" and e["loc"] == ("header", IF_MATCH) for e in error.errors()):
        return _outlay_error(
            request, PreconditionRequired("Name the version you change, by its ETag, or send `*`.")
        )
    faults = faults_in(error, _body_of(request))
    return _outlay_error(request, InvalidInput("The request is not valid.", errors=faults))


def _body_of(request: Request) -> type[BaseModel] | None:
    field = getattr(request.scope.get("route"), "body_field", None)
    model = None if field is None else field.field_info.annotation
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _database_error(request: Request, error: Exception) -> JSONResponse:
    translated = translate(error, method=request.method)
    if translated is None:
        raise error
    _log.info("database_refused", problem=translated.slug, reason=type(error).__name__)
    return _outlay_error(request, translated)


def _nobody_there(_: Request, __: Exception) -> Response:
    """For the log only; the number is a custom of web servers."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


class UnexpectedErrors:
    """Innermost middleware: what nobody expected is logged, and answered with a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            _log.exception("unexpected_error")
            if started:  # too late for another answer: the connection breaks off
                raise
            response = respond(
                Request(scope),
                slug=OutlayError.slug,
                title=OutlayError.title,
                status=OutlayError.status,
                detail="Something went wrong on our side. The request id finds it in the log.",
            )
            await response(scope, receive, send)


def install(app: FastAPI) -> None:
    app.add_middleware(UnexpectedErrors)
    app.add_exception_handler(OutlayError, _outlay_error)  # type: ignore[arg-type]  # a handler takes its own error
    app.add_exception_handler(HTTPException, respond_to_status)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _validation_error)  # type: ignore[arg-type]
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeout, _database_error)
    app.add_exception_handler(ClientDisconnect, _nobody_there)
    # The driver passes on what a dying socket says.
    app.add_exception_handler(ConnectionError, _database_error)
