"""Exchange rates of the organization: what one unit of a currency costs in another on a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, and_, column, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record
from backend.audit.states import state_of
from backend.db.keyset import Order, Window, windowed
from backend.errors import FieldError, InvalidInput, NotFound
from backend.identity.permissions import require_organization_writer
from backend.ledger.fx_file import RatesFile
from backend.ledger.models import FxRate
from backend.money import round_amount
from backend.scope import Scope

NEWEST_FIRST = Order((FxRate.date, FxRate.base_currency, FxRate.quote_currency), descending=True)

_NO_SUCH_RATE = "There is no such rate."


@dataclass(frozen=True, slots=True)
class Pair:
    """One unit of `base` costs so many of `quote`."""

    base: str
    quote: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """`rule` is same, direct, inverse or cross, the last `via` a currency; all null without a rate.

    `rated_on` is the day of the rate that was used, at most seven days before.
    """

    converted: Decimal | None
    rate: Decimal | None
    rated_on: date | None
    rule: str | None
    via: str | None


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rates are new, differ from those there were, or were there already."""

    created: int
    updated: int
    unchanged: int


async def list_rates(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    base: str | None = None,
    quote: str | None = None,
    from_date: date | None = None,
    to_date: date | None = None,
) -> Sequence[FxRate]:
    statement = select(FxRate).where(FxRate.organization_id == scope.organization_id)
    if base is not None:
        statement = statement.where(FxRate.base_currency == base)
    if quote is not None:
        statement = statement.where(FxRate.quote_currency == quote)
    if from_date is not None:
        statement = statement.where(FxRate.date >= from_date)
    if to_date is not None:
        statement = statement.where(FxRate.date <= to_date)
    return (await session.scalars(windowed(statement, NEWEST_FIRST, window))).all()


async def get_rate(session: AsyncSession, scope: Scope, pair: Pair, on: date) -> FxRate:
    rate = await _find(session, scope, pair, on)
    if rate is None:
        raise NotFound(_NO_SUCH_RATE)
    return rate


async def put_rate(
    session: AsyncSession, scope: Scope, pair: Pair, on: date, *, rate: Decimal, source: str
) -> FxRate:
    require_organization_writer(scope)
    if pair.base == pair.quote:
        raise InvalidInput(
            "A currency has no rate to itself.",
            errors=[FieldError("quote", "Must be another currency than the base.")],
        )
    found = await _find(session, scope, pair, on, lock=True)
    before = None if found is None else state_of(found)
    values = {"rate": rate, "source": source}
    await session.execute(  # whether or not somebody else was faster
        insert(FxRate)
        .values(
            organization_id=scope.organization_id,
            base_currency=pair.base,
            quote_currency=pair.quote,
            date=on,
            **values,
        )
        .on_conflict_do_update(constraint="pk_fx_rates", set_=values)
    )
    stored = await _find(session, scope, pair, on, lock=True)
    assert stored is not None  # noqa: S101  # it was just written
    action = "create" if before is None else "update"
    identity = _identity(scope, pair, on)
    after = state_of(stored)
    await record(session, scope, action, "fx_rate", identity, before=before, after=after)
    return stored


async def delete_rate(session: AsyncSession, scope: Scope, pair: Pair, on: date) -> None:
    require_organization_writer(scope)
    found = await _find(session, scope, pair, on, lock=True)
    if found is None:
        raise NotFound(_NO_SUCH_RATE)
    before = state_of(found)
    await session.delete(found)
    await session.flush()
    await record(session, scope, "delete", "fx_rate", _identity(scope, pair, on), before=before)


async def convert(
    session: AsyncSession, scope: Scope, amount: Decimal, pair: Pair, on: date
) -> Conversion:
    """`amount` of the pair's base in its quote, to the minor unit, as every figure has it."""
    if pair.base == pair.quote:
        return Conversion(round_amount(amount, pair.quote), Decimal(1), on, "same", None)
    quote = func.fx_quote(scope.organization_id, pair.base, pair.quote, on).table_valued(
        column("rate"), column("rated_on"), column("rule"), column("via")
    )
    found = (await session.execute(select(quote))).one_or_none()
    if found is None:
        return Conversion(None, None, None, None, None)
    converted = round_amount(amount * found.rate, pair.quote)
    return Conversion(converted, found.rate, found.rated_on, found.rule, found.via)


async def import_rates(
    session: AsyncSession, scope: Scope, file: RatesFile, source: str
) -> Imported:
    """All rates of the file; one that is there with another value is replaced."""
    require_organization_writer(scope)
    rows = await session.execute(
        _UPSERT,
        {
            "bases": [r.base for r in file.rates],
            "quotes": [r.quote for r in file.rates],
            "dates": [r.date for r in file.rates],
            "rates": [r.rate for r in file.rates],
            "source": source,
        },
    )
    written = rows.all()
    replaced = [row for row in written if row.before is not None]
    imported = Imported(len(written) - len(replaced), len(replaced), len(file.rates) - len(written))
    before = {"rates": [_told(row, row.before) for row in replaced]}
    after = {
        "source": source,
        "created": imported.created,
        "rates": [_told(row, row.after) for row in replaced],
        "first_date": min(r.date for r in file.rates),
        "last_date": max(r.date for r in file.rates),
        "sha256": file.sha256,
    }
    await record(session, scope, "import", "fx_rates", uuid4(), before=before, after=after)
    return imported


# Only what differs is written: what stays keeps its transaction id, and no mart reads it again.
_UPSERT = text("""
    INSERT INTO fx_rates AS r (base_currency, quote_currency, date, rate, source)
    SELECT g.base, g.quote, g.date, g.rate, CAST(:source AS text)
    FROM unnest(CAST(:bases AS text[]), CAST(:quotes AS text[]), CAST(:dates AS date[]),
        CAST(:rates AS numeric[])) AS g (base, quote, date, rate)
    ON CONFLICT (organization_id, base_currency, quote_currency, date) DO UPDATE
    SET rate = excluded.rate, source = excluded.source
    WHERE r.rate <> excluded.rate
    RETURNING r.base_currency, r.quote_currency, r.date, old.rate AS before, new.rate AS after
""")


def _told(row: Any, rate: Decimal) -> dict[str, Any]:  # noqa: ANN401  # a row of the result
    return {
        "base_currency": row.base_currency,
        "quote_currency": row.quote_currency,
        "date": row.date.isoformat(),
        "rate": f"{rate:f}",
    }


def _identity(scope: Scope, pair: Pair, on: date) -> UUID:
    """For the audit, whose objects have ids: always the same for one pair and day."""
    return uuid5(scope.organization_id, f"fx_rate {pair.base} {pair.quote} {on}")


def _key(scope: Scope, pair: Pair, on: date) -> ColumnElement[bool]:
    return and_(
        FxRate.organization_id == scope.organization_id,
        FxRate.base_currency == pair.base,
        FxRate.quote_currency == pair.quote,
        FxRate.date == on,
    )


async def _find(
    session: AsyncSession, scope: Scope, pair: Pair, on: date, *, lock: bool = False
) -> FxRate | None:
    statement = select(FxRate).where(_key(scope, pair, on))
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)
