"""One JSON log line and one measurement per request, all under a request id."""

from __future__ import annotations

import logging
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.audit import context as audit

REQUEST_ID_HEADER = "X-Request-Id"

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNROUTED = "(none)"
# Probes come every few seconds and say nothing as long as they succeed.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

_log = structlog.get_logger("api.access")


def configure_logging(level: str) -> None:
    """All logs of this process, the libraries' too, as JSON lines on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without the locals: those hold tokens and people's data.
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # ours says more
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every call to Dagster


class Metrics:
    """The measurements of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "outlay_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "outlay_http_request_duration_seconds",
            "Time from the request to the end of its answer.",
            ("method", "route"),
            registry=self.registry,
        )
        self.generation_age = Gauge(
            "outlay_generation_age_seconds",
            "Age of the generation that is served; NaN when there is none.",
            registry=self.registry,
        )


class Observability:
    """Outermost middleware: gives every request an id, and logs and measures its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        status = 500
        began = time.perf_counter()

        async def tag(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        audit.request_id.set(request_id)
        try:
            await self.app(scope, receive, tag)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path: ids would make a time series each.
        route = getattr(scope.get("route"), "path", _UNROUTED)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.duration.labels(method, route).observe(seconds)
        log = _log.debug if route in _QUIET and status < 400 else _log.info  # noqa: PLR2004
        log(
            "request",
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 2),
        )


def bind_caller(user_id: object, organization_id: object) -> None:
    """Name the caller in every log line of this request from here on."""
    structlog.contextvars.bind_contextvars(
        user_id=str(user_id), organization_id=str(organization_id)
    )


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid4().hex
