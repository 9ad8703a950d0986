"""Links to exports: good for one export, one person and some minutes, and for nothing else."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from backend.analytics.export_links import Link, sign, signing_key, verify
from backend.errors import Forbidden
from backend.settings import Settings

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
KEY = b"k" * 32
LINK = Link(
    export_id=UUID(int=1),
    organization_id=UUID(int=2),
    user_id=UUID(int=3),
    expires=int((NOW + timedelta(minutes=15)).timestamp()),
)
ids = st.uuids()


def opened(signature: str, link: Link = LINK, key: bytes = KEY, now: datetime = NOW) -> Link:
    return verify(key, link.export_id, str(link.expires), signature, now)


def test_a_link_names_its_export_and_whose_it_is() -> None:
    assert opened(sign(KEY, LINK)) == LINK


@given(ids, ids, ids, st.integers(int(NOW.timestamp()) + 1, 10**11))
def test_every_link_opens_itself(export: UUID, organization: UUID, user: UUID, ends: int) -> None:
    link = Link(export, organization, user, ends)
    assert opened(sign(KEY, link), link) == link


@pytest.mark.parametrize(
    "other", [replace(LINK, export_id=UUID(int=9)), replace(LINK, expires=LINK.expires + 1)]
)
def test_a_link_opens_no_other_export_and_no_longer(other: Link) -> None:
    with pytest.raises(Forbidden, match=r"not valid.*GET /api/analytics/exports/"):
        opened(sign(KEY, LINK), other)


@pytest.mark.parametrize("place", range(64))
def test_no_byte_of_a_signature_can_be_changed(place: int) -> None:
    """Also not those that say whose it is."""
    signature = sign(KEY, LINK)
    content = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    content[place] ^= 1
    with pytest.raises(Forbidden, match="not valid"):
        opened(base64.urlsafe_b64encode(content).decode())


@given(st.text(max_size=100), st.text(max_size=20))
def test_nonsense_is_refused(signature: str, expires: str) -> None:
    with pytest.raises(Forbidden, match="not valid"):
        verify(KEY, uuid4(), expires, signature, NOW)


@pytest.mark.parametrize("expires", ["", "-1", "1e9", "٣", "9" * 13, f" {LINK.expires}", "0x10"])
def test_an_expiry_is_a_plain_number(expires: str) -> None:
    with pytest.raises(Forbidden, match="not valid"):
        verify(KEY, LINK.export_id, expires, sign(KEY, LINK), NOW)


def test_a_link_ends_with_its_last_second() -> None:
    signature = sign(KEY, LINK)
    last = datetime.fromtimestamp(LINK.expires, UTC)
    assert opened(signature, now=last - timedelta(microseconds=1))
    with pytest.raises(Forbidden, match=r"expired.*gives its asker a new one"):
        opened(signature, now=last)


def test_the_key_hangs_on_the_secret_of_the_instance(tmp_path: Path) -> None:
    def key(secret: str) -> bytes:
        return signing_key(Settings(home=tmp_path, jwt_secret=SecretStr(secret)))

    assert key("one") == key("one") != key("another")
    with pytest.raises(Forbidden):
        opened(sign(key("one"), LINK), key=key("another"))
