"""Cursors: where the next page of an answer begins, sealed, so that nobody makes up their own.

A cursor goes on in the generation that the first page came from, with the days that were meant
then. It is good for the one query and scope that it was made for, whatever the limit of each page.

Nobody can read it either: the place of a row in a mart tells how many rows of others lie before
it. The same place has the same cursor, since a page with the same ETag has the same bytes; that is
what AES-SIV (RFC 5297) is for.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from backend.errors import FieldError, InvalidInput
from backend.settings import Settings
from backend.warehouse.spec import MAX_CURSOR

MAX_WITH_KEYS = MAX_CURSOR - 100  # characters; what counts rows instead may be a little longer

_PADDED_TO = 64  # bytes; the number of digits tells of numbers, too
_DIGITS = 24  # of a fingerprint, in hexadecimal


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after` holds the keys of the last row, if any; the page begins `offset` rows after it.

    `scope` and `query` are fingerprints; `today` is that of the resolved query.
    """

    generation: str
    scope: str
    query: str
    today: date | None
    after: tuple[object, ...] | None
    offset: int

    def is_of_scope(self, fingerprint: str) -> bool:
        return self.scope == fingerprint[:_DIGITS]

    def is_of_query(self, fingerprint: str) -> bool:
        return self.query == fingerprint[:_DIGITS]


def signing_key(settings: Settings) -> bytes:
    secret = settings.secrets.jwt.get_secret_value().encode()
    return hmac.digest(secret, b"cursors", "sha256")


def encode(cursor: Cursor, key: bytes) -> str:
    content = [
        cursor.generation,
        cursor.scope[:_DIGITS],
        cursor.query[:_DIGITS],
        _tagged(cursor.today),
        None if cursor.after is None else [_tagged(value) for value in cursor.after],
        cursor.offset,
    ]
    plain = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    payload = plain.encode(errors="surrogatepass")
    padded = payload.ljust(-(-len(payload) // _PADDED_TO) * _PADDED_TO)  # blanks are JSON's
    return base64.urlsafe_b64encode(AESSIV(key).encrypt(padded, None)).decode().rstrip("=")


def decode(text: str, key: bytes) -> Cursor:
    """Raises InvalidInput for whatever was not made by `encode` with this key."""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        payload = AESSIV(key).decrypt(sealed, None)
    except (binascii.Error, ValueError, InvalidTag):
        raise invalid_cursor() from None
    generation, scope, query, today, after, offset = json.loads(payload)
    keys = None if after is None else tuple(_untagged(value) for value in after)
    return Cursor(generation, scope, query, _untagged(today), keys, offset)


def invalid_cursor() -> InvalidInput:
    """One text, whatever is wrong with it."""
    advice = (
        "Use the `next_cursor` of a page of this very query, with the same parameters except for "
        "the limit; or start again without the cursor."
    )
    return InvalidInput("The cursor is not valid.", errors=[FieldError("#/cursor", advice)])


def _tagged(value: object) -> Any:  # noqa: ANN401  # JSON
    """What JSON has no type for is an object with one member."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list):
        return [_tagged(element) for element in value]
    tag, text = _WRITERS[type(value)]
    return {tag: text(value)}


def _instant(moment: datetime) -> str:
    """DuckDB's instants without a zone are UTC."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat()


_WRITERS: dict[type, tuple[str, Callable[[Any], str]]] = {
    float: ("f", repr),
    Decimal: ("d", str),
    UUID: ("u", lambda identity: identity.hex),
    datetime: ("t", _instant),
    date: ("a", date.isoformat),
}
_READERS: dict[str, Callable[[str], object]] = {
    "f": float,
    "d": Decimal,
    "u": UUID,
    "t": datetime.fromisoformat,
    "a": date.fromisoformat,
}


def _untagged(value: Any) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, dict):
        [(tag, text)] = value.items()
        return _READERS[tag](text)
    return [_untagged(element) for element in value] if isinstance(value, list) else value
