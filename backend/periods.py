"""Days where an organization is, and ranges of days that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# What the books may hold: beyond lies only what was mistyped.
FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2200, 1, 1)


def today_in(time_zone: str, now: datetime | None = None) -> date:
    """The day it is there at `now`, by default at present; in UTC where the zone is not known."""
    try:
        zone: ZoneInfo | None = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    return (now or datetime.now(UTC)).astimezone(zone or UTC).date()


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included."""

    first: date
    last: date

    @property
    def whole_months(self) -> int | None:
        """How many calendar months it is; None when it begins or ends within one."""
        if self.first.day != 1 or (self.last + timedelta(days=1)).day != 1:
            return None
        years = self.last.year - self.first.year
        return 12 * years + self.last.month - self.first.month + 1

    def before(self) -> Days:
        """As many whole months as these are, else as many days, up to the eve of these."""
        eve = self.first - timedelta(days=1)
        if (months := self.whole_months) is None:
            return Days(self.first - (self.last - self.first) - timedelta(days=1), eve)
        year, month = divmod(12 * self.first.year + self.first.month - 1 - months, 12)
        return Days(date(year, month + 1, 1), eve)


def month_of(day: date) -> Days:
    """The calendar month that the day lies in."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Days(first, following - timedelta(days=1))
