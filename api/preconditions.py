"""`If-Match` names the version that an update changes, `If-None-Match` the answer one has."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from backend.db.versions import Expected
from backend.errors import FieldError, InvalidInput

IF_MATCH = "If-Match"

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}([ \t]*,[ \t]*{_TAG.pattern})*")


def etag(version: str) -> str:
    return f'"{version}"'


def if_match(
    value: Annotated[
        str,
        Header(
            alias=IF_MATCH,
            description="The `ETag` of what is changed, or `*`. Without it the answer is 428.",
            examples=["*"],
        ),
    ],
) -> Expected:
    if value.strip() == "*":
        return None
    if not _TAGS.fullmatch(value.strip()):
        raise InvalidInput(
            "The precondition is not valid.",
            errors=[FieldError(IF_MATCH, 'Send an entity tag in quotes, such as "33a6", or *.')],
        )
    # A weak tag never matches here (RFC 9110, 13.1.1).
    return frozenset(version for weak, version in _TAG.findall(value) if not weak)


IfMatch = Annotated[Expected, Depends(if_match)]


def names_tag(if_none_match: str, tag: str) -> bool:
    """Whether the header names this tag, weak or strong (RFC 9110, 13.1.2); ``*`` names none."""
    return any(etag(version) == tag for _, version in _TAG.findall(if_none_match))
