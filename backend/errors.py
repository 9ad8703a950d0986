"""Errors that a caller caused or must know about; `api/problems.py` renders them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

MAX_FAULTS = 100  # that one answer lists: a request can hold more than anybody reads


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input; `pointer` is a JSON pointer (``#/amount``) or a parameter name."""

    pointer: str
    detail: str


class OutlayError(Exception):
    """An error with a stable `slug` (the problem type), a `title` and an HTTP `status`."""

    slug = "internal-error"
    title = "Internal error"
    status = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds


class NotFound(OutlayError):
    """Also for what exists but is not the caller's: the two must not be told apart."""

    slug = "not-found"
    title = "Not found"
    status = 404


class InvalidInput(OutlayError):
    slug = "invalid-input"
    title = "Invalid input"
    status = 422


class Unauthenticated(OutlayError):
    slug = "unauthenticated"
    title = "Authentication required"
    status = 401


class Forbidden(OutlayError):
    slug = "forbidden"
    title = "Not allowed"
    status = 403


class NotAcceptable(OutlayError):
    slug = "not-acceptable"
    title = "No such format"
    status = 406


class Conflict(OutlayError):
    slug = "conflict"
    title = "Conflict"
    status = 409


class Gone(OutlayError):
    """It was there once, and is not kept any more."""

    slug = "gone"
    title = "No longer available"
    status = 410


class PreconditionFailed(OutlayError):
    slug = "precondition-failed"
    title = "Changed in the meantime"
    status = 412


class PreconditionRequired(OutlayError):
    slug = "precondition-required"
    title = "If-Match is required"
    status = 428


class TooManyRequests(OutlayError):
    slug = "too-many-requests"
    title = "Too many requests"
    status = 429


class QueryTimeout(OutlayError):
    slug = "query-timeout"
    title = "Query took too long"
    status = 422


class Unavailable(OutlayError):
    slug = "unavailable"
    title = "Temporarily unavailable"
    status = 503


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A sentence that names the nearest known names, or all of them when none is near."""
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    return f"Known: {', '.join(sorted(known))}."
