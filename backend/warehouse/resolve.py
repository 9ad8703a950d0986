"""A query with its dates put in: what it asks no longer depends on when it is asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from backend.errors import FieldError, InvalidInput, did_you_mean
from backend.periods import (
    RELATIVE_EXAMPLES,
    Calendar,
    Earlier,
    Grain,
    Period,
    previous_period,
    previous_year,
    relative,
    same_since,
)
from backend.warehouse.datasets import Dataset
from backend.warehouse.predicates import read_days
from backend.warehouse.refusals import refuse
from backend.warehouse.spec import (
    And,
    Comparison,
    Condition,
    Filter,
    Operator,
    Or,
    QuerySpec,
    conjuncts,
)
from backend.warehouse.values import read_date

_PERIODS = list(RELATIVE_EXAMPLES)
_BOUNDS = {
    *(Operator.GTE, Operator.GT, Operator.LTE, Operator.LT),
    *(Operator.EQ, Operator.BETWEEN, Operator.DURING),
}
_A_DAY = timedelta(days=1)
_OUT_OF_YEARS = "reaches beyond the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class NamedDays:
    """What the name of a period at a JSON pointer became."""

    pointer: str
    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class ResolvedSpec:
    """`spec` names no day by its distance from today.

    With `compare` or `fill`, `period` holds the days that are asked for, and `conditions` (with
    their JSON pointers) everything else that must hold; otherwise it is None and they are all.
    `today` is the first day on which the query came to mean this, None where it names no such days.
    """

    spec: QuerySpec
    calendar: Calendar
    conditions: tuple[tuple[str, Condition], ...]
    period: Period | None = None
    earlier: Earlier | None = None
    today: date | None = None
    named_days: tuple[NamedDays, ...] = ()

    def fingerprint(self, *, of_any_page: bool = False) -> str:
        """Equal for equal questions, whenever they are asked; `of_any_page` leaves paging out."""
        left_out = {"limit", "offset", "cursor"} if of_any_page else {"cursor"}
        asked = self.spec.model_dump(mode="json", exclude=left_out)
        meaning = json.dumps([asked, repr((self.calendar, self.period, self.earlier))])
        return hashlib.sha256(meaning.encode()).hexdigest()


def resolve(
    dataset: Dataset,
    spec: QuerySpec,
    now: datetime,
    calendar: Calendar,
    today: date | None = None,
) -> ResolvedSpec:
    """Raises InvalidInput for an unknown name of a period, and for one that must be bounded.

    `today` stands for another day than `now` is, so that a later page asks what the first one did.
    """
    calendar = Calendar(spec.time_zone or calendar.time_zone, calendar.fiscal_start)
    names = _Names(dataset, today or calendar.today(now), calendar.fiscal_start)
    filters = tuple(names.replaced(c, f"#/filters/{n}") for n, c in enumerate(spec.filters))
    spec = spec.model_copy(update={"filters": filters})
    conditions = tuple(conjuncts(filters, "#/filters"))
    if spec.compare is None and spec.fill is None:
        return ResolvedSpec(
            spec, calendar, conditions, today=names.same_since, named_days=tuple(names.found)
        )
    column = dataset.filters.date_column
    grain = dataset.meta.time_grain
    option = "compare" if spec.compare else "fill"
    if column is None or grain is None:
        refuse(f"Dataset {dataset.id} has no dates.", f"#/{option}")
    bounds = {p: c for p, c in conditions if isinstance(c, Filter) and _bounds(c, column)}
    others = tuple((pointer, c) for pointer, c in conditions if pointer not in bounds)
    try:
        period = _period(column, bounds, option, grain)
        if len(bounds) == 1:
            [pointer] = bounds
            period = replace(period, to_date=names.to_date.get(pointer))
        earlier = _earlier(spec, column, period)
        since, named_days = names.same_since, tuple(names.found)
        return ResolvedSpec(spec, calendar, others, period, earlier, since, named_days)
    except (ValueError, OverflowError):
        refuse(f"The period to compare with {_OUT_OF_YEARS}.", f"#/{option}")


class _Names:
    """Puts days in for their names; `to_date` keeps, by pointer, which period was still running.

    `same_since` is the first day on which all names that were met stood for these days.
    """

    def __init__(self, dataset: Dataset, today: date, fiscal_start: int) -> None:
        self.to_date: dict[str, Grain | None] = {}
        self.same_since: date | None = None
        self.found: list[NamedDays] = []
        self._dataset = dataset
        self._today = today
        self._fiscal_start = fiscal_start

    def replaced(self, condition: Condition, pointer: str) -> Condition:
        if isinstance(condition, Filter):
            return self._filter(condition, pointer)
        word = "and" if isinstance(condition, And) else "or"
        parts = tuple(
            self.replaced(part, f"{pointer}/{word}/{n}")
            for n, part in enumerate(condition.conditions)
        )
        return And(conditions=parts) if isinstance(condition, And) else Or(conditions=parts)

    def _filter(self, given: Filter, pointer: str) -> Filter:
        if given.op is not Operator.DURING or not isinstance(given.value, str):
            return given
        try:
            days = relative(given.value, self._today, self._fiscal_start)
        except (ValueError, OverflowError):
            refuse(f"{given.value[:100]!a} {_OUT_OF_YEARS}.", f"{pointer}/value")
        if days is None:
            raise InvalidInput(
                f"There is no period {given.value[:100]!a}.",
                errors=[FieldError(f"{pointer}/value", did_you_mean(given.value, _PERIODS))],
            )
        self.to_date[pointer] = days.to_date
        since = same_since(given.value, self._today, self._fiscal_start)
        self.same_since = max(self.same_since or since, since)
        first = days.first
        if given.field == self._dataset.filters.date_column and self._dataset.meta.time_grain:
            first = self._dataset.meta.time_grain.first_day(first)  # rows stand for whole periods
        self.found.append(NamedDays(pointer, given.value, first, days.last))
        return given.model_copy(update={"value": [first, days.last]})


def _bounds(condition: Filter, column: str) -> bool:
    return condition.field == column and condition.op in _BOUNDS


def _period(column: str, bounds: dict[str, Filter], option: str, grain: Grain) -> Period:
    """The days that all bounds leave; to the end of the period that a row of the last day is of."""
    ranges = [_range(given, pointer) for pointer, given in bounds.items()]
    first = max((start for start, _ in ranges if start), default=None)
    last = min((end for _, end in ranges if end), default=None)
    if first is None or last is None:
        refuse(
            f"{option} needs a first and a last day: filter {column} by both, or by a period "
            "such as last_month.",
            f"#/{option}",
        )
    if first != grain.first_day(first):
        first = grain.next_first_day(grain.first_day(first))
    if first > last:
        refuse(f"The filters on {column} leave no day.", f"#/{option}")
    return Period(first, grain.next_first_day(grain.first_day(last)) - _A_DAY)


def _range(given: Filter, pointer: str) -> tuple[date | None, date | None]:
    if isinstance(given.value, list):
        return read_days(given, pointer)
    try:
        day = read_date(given.value)
    except ValueError as error:
        refuse(str(error), f"{pointer}/value")
    match given.op:
        case Operator.GTE:
            return day, None
        case Operator.GT:
            return day + _A_DAY, None
        case Operator.LTE:
            return None, day
        case Operator.LT:
            return None, day - _A_DAY
        case _:
            return day, day


def _earlier(spec: QuerySpec, column: str, period: Period) -> Earlier | None:
    if spec.compare is Comparison.PREVIOUS_PERIOD:
        return previous_period(period)
    if spec.compare is Comparison.PREVIOUS_YEAR:
        grains = [key.grain for key in spec.dimensions if key.column == column]
        return previous_year(period, by_week=Grain.WEEK in grains)
    return None
