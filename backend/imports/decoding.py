"""Bytes to text: which encoding a bank's file has, since it seldom says so."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from charset_normalizer import from_bytes

from backend.imports.contents import unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What exports of banks come in; among all encodings there are, a short text has too many readings.
_LIKELY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "mac_roman"]
_SAMPLE_BYTES = 2**18
_MOSTLY = 0.7  # of every other byte of Western text in UTF-16


@dataclass(frozen=True, slots=True)
class Decoded:
    """`certain` is false for an encoding that nothing in the bytes proves."""

    text: str
    encoding: str
    certain: bool = True


def decode(content: bytes, encoding: str | None = None) -> Decoded:
    """`content` in the `encoding` that is given, or else in the one that it seems to have."""
    name, certain = (encoding, True) if encoding else _guess(content)
    try:
        codec = codecs.lookup(name)
        text = content.decode(codec.name)
    except LookupError:
        raise unreadable(f"There is no encoding {name[:50]!r}.") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(
            f"Byte {error.start + 1} of the file is not {name}. Save it as UTF-8, or name its "
            "encoding.",
            line=line,
        ) from None
    return Decoded(text, codec.name, certain)


def _guess(content: bytes) -> tuple[str, bool]:
    """The encoding, and whether the bytes are proof of it."""
    for bom, name in _BOMS:
        if content.startswith(bom):
            return name, True
    sample = content[:_SAMPLE_BYTES]
    if b"\0" in sample and (wide := _utf_16(sample)) is not None:
        return wide, True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _legacy(content, error.start), False
    return "utf-8", True


def _legacy(content: bytes, at: int) -> str:
    """A single-byte encoding, judged by the text around the first byte that is not ASCII."""
    start = max(0, at - _SAMPLE_BYTES // 2)
    best = from_bytes(content[start : start + _SAMPLE_BYTES], cp_isolation=_LIKELY).best()
    # Encodings that read it alike are one answer; the commonest of them is the better name.
    if best is None or "cp1252" in best.could_be_from_charset:
        return "cp1252"
    return best.encoding


def _utf_16(sample: bytes) -> str | None:
    """Which of the two, when the file has no mark: Western text has a zero in every other byte."""
    half = len(sample) // 2
    if sample[1::2].count(0) > _MOSTLY * half:
        return "utf-16-le"
    return "utf-16-be" if sample[0::2].count(0) > _MOSTLY * half else None
