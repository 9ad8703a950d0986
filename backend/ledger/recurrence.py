"""The dates of a schedule, counted from its first day: pure, and bounded whatever the rule says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count, dropwhile, takewhile

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr

from backend.errors import FieldError, InvalidInput
from backend.ledger.recurring_models import Frequency
from backend.periods import LAST_DATE

_DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}
_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.YEARLY: 12}

# A rule that never matches makes dateutil look for dates up to the year 9999. The calendar repeats
# itself, weekdays and all, every 400 years: so rules are asked this much later, where that is near.
_LATER_YEARS = 19 * 400
# In the calendar some leap days are 8 years apart, and a fifth Sunday of February 40.
_HORIZON_YEARS = 45

_WEEKS_OF_MONTH = 5

_WEEKDAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_DAY = rf"(?:[+-]?(?:5[0-3]|[1-4][0-9]|[1-9]))?{_WEEKDAY}"
_UP_TO_4_DIGITS = re.compile(r"[1-9][0-9]{0,3}")
_PLAIN_DATE = re.compile(r"[0-9]{8}")
_PARTS: dict[str, re.Pattern[str]] = {
    "FREQ": re.compile("DAILY|WEEKLY|MONTHLY|YEARLY"),
    "INTERVAL": _UP_TO_4_DIGITS,
    "COUNT": _UP_TO_4_DIGITS,
    "UNTIL": _PLAIN_DATE,
    "BYMONTH": re.compile(r"(?:1[0-2]|[1-9])(?:,(?:1[0-2]|[1-9]))*"),
    "BYMONTHDAY": re.compile(r"-?(?:3[01]|[12][0-9]|[1-9])(?:,-?(?:3[01]|[12][0-9]|[1-9]))*"),
    "BYDAY": re.compile(f"{_DAY}(?:,{_DAY})*"),
    "BYSETPOS": re.compile(r"-?[1-9][0-9]{0,2}(?:,-?[1-9][0-9]{0,2})*"),
    "WKST": re.compile(_WEEKDAY),
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rrule` is that of `Frequency.RRULE`, as `parse_rule` takes it.

    A day that a month lacks is the month's last one, without moving those that follow. The RFC has
    it otherwise for rules: they leave such a month out.
    """

    frequency: Frequency
    starts_on: date
    ends_on: date | None = None
    rrule: str | None = None


def dates(schedule: Schedule, from_: date) -> Iterator[date]:
    """Those from `from_` on, in order; each once."""
    found = _all_dates(schedule, from_)
    last = min(schedule.ends_on or LAST_DATE, LAST_DATE)
    return takewhile(lambda day: day <= last, dropwhile(lambda day: day < from_, found))


def next_date(schedule: Schedule, from_: date) -> date | None:
    """The first from `from_` on; None when there is none left."""
    return next(dates(schedule, from_), None)


def parse_rule(text: str) -> dict[str, str]:
    """The parts of a recurrence rule; `InvalidInput` for what no schedule of days can have."""
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise _refusal(f"{name} is there twice.")
        if name not in _PARTS:
            raise _refusal(f"Known parts: {', '.join(_PARTS)}.")
        if not _PARTS[name].fullmatch(value):
            raise _refusal(f"{name} cannot be this.")
        parts[name] = value
    _refuse_misfits(parts)
    return parts


def require_dates(schedule: Schedule) -> None:
    """`InvalidInput` when a rule has no date at all, or none for decades."""
    if schedule.rrule is None:
        return
    first = next(_all_dates(schedule, schedule.starts_on), None)
    if first is None or first > schedule.starts_on + relativedelta(years=_HORIZON_YEARS):
        raise _refusal("This rule has no date.")


def _all_dates(schedule: Schedule, from_: date) -> Iterator[date]:
    """From `starts_on`, or from some date before `from_`."""
    start, frequency = schedule.starts_on, schedule.frequency
    if schedule.rrule is not None:
        return _by_rule(schedule.rrule, start)
    passed = max((from_ - start).days, 0)
    nth: Callable[[int], date]
    if frequency in _DAYS:
        days = _DAYS[frequency]
        first = passed // days

        def nth(n: int) -> date:
            return start + timedelta(days=days * n)
    else:
        months = _MONTHS[frequency]
        first = max(passed // (31 * months) - 1, 0)

        def nth(n: int) -> date:
            return start + relativedelta(months=months * n)  # of the first: clamped, never drifting

    return takewhile(lambda day: day <= LAST_DATE, map(nth, count(first)))


def _by_rule(rule: str, start: date) -> Iterator[date]:
    parts = parse_rule(rule)
    until = _until(parts)
    text = ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL")
    begin = datetime.combine(_moved(start, _LATER_YEARS), time())
    try:
        found = rrulestr(text, dtstart=begin)
    except ValueError:
        raise _refusal("The parts do not fit together.") from None
    days = (_moved(moment.date(), -_LATER_YEARS) for moment in found)
    return takewhile(lambda day: until is None or day <= until, days)


def _moved(day: date, years: int) -> date:
    return day.replace(year=day.year + years)


def _until(parts: dict[str, str]) -> date | None:
    if "UNTIL" not in parts:
        return None
    try:
        return datetime.strptime(parts["UNTIL"], "%Y%m%d").date()  # noqa: DTZ007  # a plain date
    except ValueError:
        raise _refusal("UNTIL is no date.") from None


def _refuse_misfits(parts: dict[str, str]) -> None:
    frequency = parts.get("FREQ")
    _until(parts)
    if frequency is None:
        raise _refusal("FREQ is missing.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise _refusal("Either COUNT or UNTIL ends a rule.")
    if "BYSETPOS" in parts and not parts.keys() & {"BYMONTH", "BYMONTHDAY", "BYDAY"}:
        raise _refusal("BYSETPOS needs days to choose from.")
    if "BYMONTHDAY" in parts and frequency == "WEEKLY":
        raise _refusal("A weekly rule has no BYMONTHDAY.")
    numbers = [int(number) for number in re.findall("[0-9]+", parts.get("BYDAY", ""))]
    if numbers and frequency not in {"MONTHLY", "YEARLY"}:
        raise _refusal("Only monthly and yearly rules number their weekdays.")
    if max(numbers, default=0) > _WEEKS_OF_MONTH and (frequency == "MONTHLY" or "BYMONTH" in parts):
        raise _refusal("No month has that many of a weekday.")


def _refusal(detail: str) -> InvalidInput:
    return InvalidInput("The recurrence rule is not valid.", errors=[FieldError("#/rrule", detail)])
