"""Links that a browser can follow without a token: each opens one export to one person, briefly.

The signature carries whose link it is, so that the record can be found behind the organization's
wall, and a MAC over that, the export and the expiry.
"""

from __future__ import annotations

import base64
import hmac
import re
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backend.errors import Forbidden
from backend.settings import Settings

_INSTANT = re.compile(r"[0-9]{1,12}")
_ID_BYTES = 16
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """`expires` is in seconds since 1970."""

    export_id: UUID
    organization_id: UUID
    user_id: UUID
    expires: int


def signing_key(settings: Settings) -> bytes:
    secret = settings.secrets.jwt.get_secret_value().encode()
    return hmac.digest(secret, b"export links", "sha256")


def sign(key: bytes, link: Link) -> str:
    whose = link.organization_id.bytes + link.user_id.bytes
    return base64.urlsafe_b64encode(whose + _mac(key, link)).decode().rstrip("=")


def verify(key: bytes, export_id: UUID, expires: str, signature: str, now: datetime) -> Link:
    """Raises Forbidden for a link that was not made here, was changed, or is too old."""
    try:
        content = base64.b64decode(signature + "=" * (-len(signature) % 4), b"-_", validate=True)
    except (NotBase64, ValueError):
        content = b""
    if len(content) != 2 * _ID_BYTES + _MAC_BYTES or not _INSTANT.fullmatch(expires):
        raise _invalid(export_id)
    organization, user = content[:_ID_BYTES], content[_ID_BYTES:-_MAC_BYTES]
    link = Link(export_id, UUID(bytes=organization), UUID(bytes=user), int(expires))
    if not hmac.compare_digest(content[-_MAC_BYTES:], _mac(key, link)):
        raise _invalid(export_id)
    if link.expires <= now.timestamp():
        raise Forbidden(f"The link has expired. {_again(export_id)}")
    return link


def _mac(key: bytes, link: Link) -> bytes:
    ids = (link.export_id, link.organization_id, link.user_id)
    message = b"".join((*(i.bytes for i in ids), link.expires.to_bytes(8)))
    return hmac.digest(key, message, "sha256")


def _invalid(export_id: UUID) -> Forbidden:
    return Forbidden(f"The link is not valid. {_again(export_id)}")


def _again(export_id: UUID) -> str:
    return f"GET /api/analytics/exports/{export_id} gives its asker a new one."
