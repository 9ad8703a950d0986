"""In which format an answer is asked for: `Accept`, or `format=` where one cannot set headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from backend.errors import FieldError, InvalidInput, NotAcceptable, did_you_mean
from backend.warehouse.formats import Format

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # RFC 9110, 5.6.2
_RANGE = re.compile(rf"({_TOKEN})/({_TOKEN})(.*)", re.DOTALL)
_QUALITY = re.compile(r";[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|$)", re.IGNORECASE)
_HAS_QUALITY = re.compile(r";[ \t]*q=", re.IGNORECASE)


class _Range(NamedTuple):
    """A part of `Accept`; the greater is the more exact one, and of equals the earlier."""

    exactness: int
    place: int
    media_type: str
    quality: float


def requested_format(accept: str | None, parameter: str | None) -> Format:
    """`parameter` wins; without either it is JSON.

    InvalidInput for an unknown `parameter`, NotAcceptable when no media type of `accept` fits.
    """
    if parameter is not None:
        return _named(parameter)
    if accept is None or not accept.strip():
        return Format.JSON
    ranges = sorted(_ranges(accept), reverse=True)
    best: tuple[float, int, int] | None = None
    chosen = None
    for format_ in Format:  # of two that are as welcome, the first of ours
        fitting = next((r for r in ranges if _fits(format_, r.media_type)), None)
        if fitting is None or not fitting.quality:
            continue
        welcome = fitting.quality, fitting.exactness, fitting.place
        if best is None or welcome > best:
            best, chosen = welcome, format_
    if chosen is None:
        raise NotAcceptable(
            "No format that Accept names is one of ours. Ask for one of "
            f"{', '.join(f.media_type for f in Format)}, or with format= for one of "
            f"{', '.join(Format)}."
        )
    return chosen


def _named(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        suggestion = did_you_mean(name, [format_.value for format_ in Format])
        raise InvalidInput(
            "There is no such format.", errors=[FieldError("format", suggestion)]
        ) from None


def _ranges(accept: str) -> Iterator[_Range]:
    """What is not well-formed is left out (RFC 9110, 12.5.1)."""
    for place, part in enumerate(accept.split(",")):
        matched = _RANGE.fullmatch(part.strip(" \t"))
        if matched is None:
            continue
        type_, subtype, parameters = matched.groups()
        quality = _QUALITY.search(parameters)
        is_valid = quality or not _HAS_QUALITY.search(parameters)
        if not is_valid or (type_ == "*" != subtype):
            continue
        exactness = (type_ != "*") + (subtype != "*")
        media_type = f"{type_}/{subtype}".lower()
        yield _Range(exactness, -place, media_type, float(quality[1]) if quality else 1.0)


def _fits(format_: Format, media_range: str) -> bool:
    type_, _, subtype = media_range.partition("/")
    own_type, _, own_subtype = format_.media_type.partition("/")
    return type_ in {"*", own_type} and subtype in {"*", own_subtype}
