from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ledger.recurrence import Schedule, dates
from backend.ledger.recurring_models import Frequency
from backend.ledger.subscriptions import Payment, Subscription, subscriptions

TODAY = date(2025, 6, 20)
REGULAR = [
    Frequency.WEEKLY,
    Frequency.BIWEEKLY,
    Frequency.MONTHLY,
    Frequency.QUARTERLY,
    Frequency.YEARLY,
]


def paid(text: str, amount: str = "9.99") -> list[Payment]:
    return [Payment(date.fromisoformat(day), Decimal(amount)) for day in text.split()]


def only(payments: list[Payment], today: date = TODAY) -> Subscription:
    (found,) = subscriptions(payments, today)
    return found


def test_a_monthly_payment_is_told_with_its_reasons() -> None:
    found = only(paid("2025-03-31 2025-04-30 2025-05-31"))
    assert found.frequency is Frequency.MONTHLY
    assert (found.amount, found.next_expected) == (Decimal("9.99"), date(2025, 6, 30))
    assert found.confidence == 81
    assert found.reasons == [
        "3 payments.",
        "2 of 2 gaps last 26 to 35 days.",
        "Their amounts differ by 0 %.",
    ]


def test_two_payments_are_none_yet() -> None:
    assert subscriptions(paid("2025-04-30 2025-05-31"), TODAY) == []


def test_two_on_one_day_are_one() -> None:
    assert subscriptions(paid("2025-04-30 2025-04-30 2025-05-31"), TODAY) == []


def test_what_has_stopped_is_left_out() -> None:
    payments = paid("2025-01-15 2025-02-15 2025-03-15")
    assert only(payments, date(2025, 5, 6))
    assert subscriptions(payments, date(2025, 5, 7)) == []


def test_what_comes_later_than_today_is_left_out() -> None:
    assert subscriptions(paid("2025-05-15 2025-06-15 2025-07-15"), TODAY) == []


def test_irregular_purchases_are_none() -> None:
    assert (
        subscriptions(paid("2025-05-01 2025-05-04 2025-05-27 2025-06-02 2025-06-19"), TODAY) == []
    )


def test_one_missed_payment_among_many_is_forgiven_and_costs_confidence() -> None:
    whole = paid("2025-01-10 2025-02-10 2025-03-10 2025-04-10 2025-05-10 2025-06-10")
    missed = [p for p in whole if p.date != date(2025, 4, 10)]
    assert only(whole).confidence > only(paid("2024-12-10") + missed).confidence > 0
    assert subscriptions(missed[1:], TODAY) == []


def test_two_subscriptions_of_one_vendor_and_a_purchase() -> None:
    music = paid("2025-04-01 2025-05-01 2025-06-01", "9.99")
    storage = paid("2025-04-18 2025-05-18 2025-06-18", "2.99")
    found = subscriptions([*music, *storage, *paid("2025-05-20", "249.00")], TODAY)
    assert sorted(s.amount for s in found) == [Decimal("2.99"), Decimal("9.99")]


def test_a_price_within_a_tenth_either_way_is_the_same() -> None:
    rising = [
        *paid("2025-03-01", "9.00"),
        *paid("2025-04-01", "10.00"),
        *paid("2025-05-01 2025-06-01", "10.80"),
    ]
    assert only(rising).amount == Decimal("10.80")
    assert subscriptions([*rising[:1], *paid("2025-04-01 2025-05-01", "10.81")], TODAY) == []


@pytest.mark.parametrize("frequency", REGULAR)
@given(data=st.data())
def test_a_regular_payment_is_found_at_its_frequency(
    frequency: Frequency, data: st.DataObject
) -> None:
    start = data.draw(st.dates(date(2000, 1, 1), date(2020, 1, 1)))
    count = data.draw(st.integers(3, 12))
    cents = data.draw(st.integers(100, 100_000))
    days = list(islice(dates(Schedule(frequency, start), start), count))
    amounts = data.draw(
        st.lists(st.integers(cents, cents * 6 // 5), min_size=count, max_size=count)
    )
    payments = [Payment(d, Decimal(a) / 100) for d, a in zip(days, amounts, strict=True)]
    random.Random(count).shuffle(payments)  # noqa: S311  # any order will do
    found = only(payments, days[-1])
    assert found.frequency is frequency
    assert [p.date for p in found.payments] == days
    assert found.next_expected > days[-1]
    assert 0 <= found.confidence <= 100
    assert only(list(reversed(payments)), days[-1]) == found


@given(
    st.lists(
        st.builds(
            Payment,
            st.dates(TODAY - timedelta(days=900), TODAY),
            st.decimals("0.01", "1000", places=2),
        ),
        max_size=40,
    )
)
def test_whatever_is_found_keeps_its_promises(payments: list[Payment]) -> None:
    for found in subscriptions(payments, TODAY):
        assert len(found.payments) >= 3
        assert 0 <= found.confidence <= 100
        amounts = [p.amount for p in found.payments]
        assert max(amounts) <= min(amounts) * Decimal("1.2")
        assert min(amounts) <= found.amount <= max(amounts)
        assert found.next_expected > found.payments[-1].date
