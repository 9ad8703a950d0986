from __future__ import annotations

from datetime import date
from decimal import Decimal

from backend.budgets.performance import Spending, performance
from backend.budgets.rules import Period

APRIL = Period(date(2025, 4, 1), date(2025, 4, 30))


def test_figures_in_the_middle_of_a_period() -> None:
    spent = Spending(own=Decimal(100), total=Decimal(150), committed=Decimal(60))
    found = performance(APRIL, Decimal(300), spent, date(2025, 4, 10))
    assert (found.days_elapsed, found.days_left) == (10, 20)
    assert (found.remaining, found.utilisation) == (Decimal(90), Decimal(50))
    assert round(found.time_elapsed, 2) == Decimal("33.33")
    assert found.spending_vs_time is not None
    assert round(found.spending_vs_time, 2) == Decimal("16.67")
    assert found.burn_rate == 15
    assert (found.projected_spend, found.projected_variance) == (Decimal(450), Decimal(-150))
    assert found.exhausted_on == date(2025, 4, 16)  # 90 at 15 a day, from the 11th on


def test_what_is_booked_ahead_does_not_burn() -> None:
    """Rent booked for the 28th is not spent by the day; the projection has it all the same."""
    rent = Spending(total=Decimal(150), ahead=Decimal(120))
    found = performance(APRIL, Decimal(300), rent, date(2025, 4, 10))
    assert (found.spent, found.remaining, found.burn_rate) == (150, 150, 3)
    assert found.projected_spend == 150
    small = Spending(total=Decimal(150), ahead=Decimal(20))
    found = performance(APRIL, Decimal(300), small, date(2025, 4, 10))
    assert (found.burn_rate, found.projected_spend) == (13, 390)


def test_money_that_lasts_is_never_exhausted() -> None:
    spent = Spending(total=Decimal(100))
    found = performance(APRIL, Decimal(300), spent, date(2025, 4, 10))
    assert found.projected_spend == 300
    assert found.exhausted_on == date(2025, 4, 30)
    slower = performance(APRIL, Decimal("300.01"), spent, date(2025, 4, 10))
    assert slower.exhausted_on is None
    idle = performance(APRIL, Decimal(300), Spending(), date(2025, 4, 10))
    assert (idle.burn_rate, idle.exhausted_on) == (0, None)


def test_what_is_gone_already_is_exhausted_today() -> None:
    spent = Spending(total=Decimal(200), committed=Decimal(100))
    assert performance(APRIL, Decimal(300), spent, date(2025, 4, 10)).exhausted_on == date(
        2025, 4, 10
    )


def test_before_and_after_the_period() -> None:
    ahead = performance(APRIL, Decimal(300), Spending(total=Decimal(30)), date(2025, 3, 1))
    assert (ahead.days_elapsed, ahead.days_left, ahead.burn_rate) == (0, 30, 0)
    assert (ahead.projected_spend, ahead.exhausted_on) == (30, None)
    over = performance(APRIL, Decimal(300), Spending(total=Decimal(330)), date(2025, 6, 1))
    assert (over.days_elapsed, over.days_left, over.burn_rate) == (30, 0, 11)
    assert (over.projected_spend, over.projected_variance) == (330, -30)
    assert over.exhausted_on is None


def test_refunds_beyond_what_was_spent_do_not_burn_backwards() -> None:
    found = performance(APRIL, Decimal(300), Spending(total=Decimal(-50)), date(2025, 4, 10))
    assert (found.burn_rate, found.projected_spend, found.remaining) == (0, -50, 350)


def test_of_nothing_there_are_no_percentages() -> None:
    found = performance(APRIL, Decimal(0), Spending(total=Decimal(5)), date(2025, 4, 10))
    assert (found.utilisation, found.spending_vs_time) == (None, None)
    assert found.remaining == -5
