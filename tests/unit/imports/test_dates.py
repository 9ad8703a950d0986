"""Dates as banks write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.imports.contents import BadValue
from backend.imports.dates import DateOrder, are_same, parse_date, possible_orders

YMD, DMY, MDY = DateOrder


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2025-03-04", YMD),
        ("2025/3/4", YMD),
        ("2025.03.04", YMD),
        ("20250304", YMD),
        ("20250304120000", YMD),
        ("2025-03-04T23:59:59Z", YMD),
        ("2025-03-04 08:00", YMD),
        ("04.03.2025", DMY),
        ("4.3.25", DMY),
        ("04/03/2025 10:11", DMY),
        ("04-03-25", DMY),
        ("03/04/2025", MDY),
        ("3/4/25", MDY),
        ("4 Mar 2025", DMY),
        ("04-MAR-25", YMD),
        ("March 4, 2025", MDY),
        ("Mar 4, 2025, 10:15", DMY),
    ],
)
def test_reads(text: str, order: DateOrder) -> None:
    assert parse_date(text, order) == date(2025, 3, 4)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", YMD),
        ("tomorrow", YMD),
        ("2025-02-30", YMD),
        ("31.04.2025", DMY),
        ("13/13/2025", MDY),
        ("2025-03-04", DMY),
        ("04.03.2025", YMD),
        ("1899-12-31", YMD),
        ("12 Foo 2025", DMY),
        ("1/1/1", DMY),
    ],
)
def test_refuses(text: str, order: DateOrder) -> None:
    with pytest.raises(BadValue):
        parse_date(text, order)


def test_one_day_after_the_twelfth_settles_a_whole_column() -> None:
    assert possible_orders(["03/04/2025", "13/04/2025"]) == [DMY]
    assert possible_orders(["03/04/2025", "04/13/2025"]) == [MDY]
    assert possible_orders(["2025-03-04"]) == [YMD]
    assert possible_orders(["x"]) == []


def test_a_column_that_nothing_settles_stays_in_doubt() -> None:
    ambiguous = ["03/04/2025", "05/06/2025"]
    assert possible_orders(ambiguous) == [DMY, MDY]
    assert not are_same(ambiguous, [DMY, MDY])
    assert are_same(["03/03/2025", "4 Mar 2025"], [DMY, MDY])


DAYS = st.dates(date(1970, 1, 1), date(2068, 12, 31))


@given(DAYS)
def test_every_way_to_write_a_day_is_read_back(day: date) -> None:
    for pattern, order in (
        ("%Y-%m-%d", YMD),
        ("%Y%m%d", YMD),
        ("%d.%m.%Y", DMY),
        ("%d/%m/%y", DMY),
        ("%m/%d/%Y", MDY),
        ("%d %b %Y", DMY),
        ("%B %d, %Y", MDY),
    ):
        assert parse_date(day.strftime(pattern), order) == day


@given(st.lists(DAYS, min_size=1))
def test_the_order_of_a_column_is_among_the_possible_ones(days: list[date]) -> None:
    for pattern, order in (("%d/%m/%Y", DMY), ("%m/%d/%Y", MDY), ("%Y-%m-%d", YMD)):
        assert order in possible_orders([day.strftime(pattern) for day in days])


@given(st.text(max_size=30), st.sampled_from(DateOrder))
def test_any_text_is_a_date_or_a_bad_value(text: str, order: DateOrder) -> None:
    with suppress(BadValue):
        assert isinstance(parse_date(text, order), date)
