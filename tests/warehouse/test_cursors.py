"""Cursors: whatever the keys are, they come back as they were; what was touched is refused."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.warehouse.cursors import Cursor, decode, encode, invalid_cursor

KEY = b"k" * 32
FIRST = Cursor("20250310T120000Z-00000000", "a" * 24, "b" * 24, None, (1,), 0)

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**127), 2**127),
    st.floats(allow_nan=False),
    st.text(),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.decimals(allow_nan=False, allow_infinity=False, places=12, max_value=10**26, min_value=0),
)
keys = st.lists(scalars | st.lists(scalars, max_size=3), max_size=5).map(tuple)


@given(keys, st.none() | st.dates(), st.integers(0, 10**9))
def test_a_cursor_comes_back_as_it_was(
    after: tuple[Any, ...], today: date | None, offset: int
) -> None:
    cursor = replace(FIRST, after=after, today=today, offset=offset)
    found = decode(encode(cursor, KEY), KEY)
    assert found == cursor
    assert [type(key) for key in found.after or ()] == [type(key) for key in after]


def test_numbers_that_are_none_and_instants_without_a_zone() -> None:
    naive = datetime(2025, 1, 31, 12)  # noqa: DTZ001  # as DuckDB gives a TIMESTAMP
    found = decode(encode(replace(FIRST, after=(math.nan, math.inf, naive)), KEY), KEY)
    assert found.after is not None
    assert math.isnan(found.after[0])  # type: ignore[arg-type]
    assert found.after[1:] == (math.inf, naive.replace(tzinfo=UTC))


def test_the_same_place_has_the_same_cursor() -> None:
    """Else the same page would have other bytes, and one ETag."""
    cursor = replace(FIRST, after=(Decimal("1.50"), UUID(int=7), None), today=date(2025, 1, 31))
    assert encode(cursor, KEY) == encode(cursor, KEY)
    assert encode(cursor, KEY).isascii()


def test_a_cursor_does_not_tell_where_in_the_mart_it_is() -> None:
    """Else it would count the rows of everybody before."""
    texts = [encode(replace(FIRST, after=(place,)), KEY) for place in (1, 100_000_000)]
    for text in texts:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        assert FIRST.generation.encode() not in content
    assert len({len(text) for text in texts}) == 1


def damaged(text: str) -> list[str]:
    middle = len(text) // 2
    other = "A" if text[middle] != "A" else "B"
    return [
        text[:-1],
        text[1:],
        text[:middle],
        text[:middle] + other + text[middle + 1 :],
        text + "AAAA",
        text + "\n",
        text.upper(),
        "",
        "x",
        "é",
        "=" * 8,
        "../../etc/passwd",
        "null",
        "A" * 8_000,
    ]


def test_whatever_was_touched_is_refused_in_the_same_words() -> None:
    good = encode(FIRST, KEY)
    for text in damaged(good):
        with pytest.raises(InvalidInput) as refusal:
            decode(text, KEY)
        assert refusal.value.detail == invalid_cursor().detail
        assert refusal.value.errors == invalid_cursor().errors
    with pytest.raises(InvalidInput):
        decode(good, b"j" * 32)
