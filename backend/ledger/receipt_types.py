"""What a receipt may be, told by its content, and how it may be called: pure."""

from __future__ import annotations

import puremagic

from backend.errors import FieldError, InvalidInput

# By content type, the endings its files may have; the first is the usual one.
SUFFIXES = {
    "application/pdf": (".pdf",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/heic": (".heic", ".heif"),
}
# Where each has its signature; found elsewhere it is a part of something else.
_SIGNED_AT = {
    "application/pdf": 0,
    "image/jpeg": 0,
    "image/png": 0,
    "image/webp": 8,
    "image/heic": 4,
}
_SAME_AS = {"image/heif": "image/heic"}
_HEAD = 1024  # bytes; every signature lies at the beginning
_LONGEST_NAME = 150
_NOT_IN_NAMES = frozenset('"<>:|?*\\/')


def content_type_of(content: bytes, declared: str | None) -> str:
    """The type of `content`; `InvalidInput` unless it is one of ours and the `declared` one.

    A file that is several things at once is what it begins as, and is served as that alone.
    """
    if not content:
        raise _refusal("The body is empty.", "#")
    said = (declared or "").partition(";")[0].strip().lower()
    said = _SAME_AS.get(said, said)
    if said not in SUFFIXES:
        raise _refusal(f"One of {', '.join(SUFFIXES)}.", "Content-Type")
    if said not in _sniffed(content):
        raise _refusal(f"The body is no {said}.", "#")
    return said


def safe_name(name: str | None, content_type: str) -> str:
    """`name` as a file may be called anywhere, with an ending that fits what it is."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if c.isprintable() and c not in _NOT_IN_NAMES)
    kept = kept.strip(" .")[:_LONGEST_NAME] or "receipt"
    endings = SUFFIXES[content_type]
    return kept if kept.lower().endswith(endings) else f"{kept}{endings[0]}"


def _sniffed(content: bytes) -> set[str]:
    try:
        found = puremagic.magic_string(content[:_HEAD])
    except (puremagic.PureError, ValueError):
        return set()
    types = ((_SAME_AS.get(match.mime_type, match.mime_type), match.offset) for match in found)
    return {name for name, offset in types if _SIGNED_AT.get(name) == offset}


def _refusal(detail: str, pointer: str) -> InvalidInput:
    return InvalidInput("This is not a receipt.", errors=[FieldError(pointer, detail)])
