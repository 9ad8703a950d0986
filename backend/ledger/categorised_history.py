"""Applying rules to what is booked already, in sets: told first, then done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Select,
    Subquery,
    Table,
    Text,
    Uuid,
    and_,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable, DropTable

from backend.audit.record import record, record_many
from backend.identity.permissions import require_organization_writer
from backend.ledger.categorisation import CERTAIN, active_rules, meets
from backend.ledger.models import Transaction, TransactionSplit
from backend.ledger.rule_models import CategorisationRule
from backend.ledger.transaction_states import stored_transaction_states
from backend.ledger.visibility import visible_transactions
from backend.scope import Scope

SAMPLES = 10

_MATCHES = Table(
    "rule_matches",
    MetaData(),
    Column("transaction_id", Uuid, primary_key=True),
    Column("rule_id", Uuid),
    Column("category_id", Uuid),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@dataclass(frozen=True, slots=True)
class History:
    """Which transactions: without `overwrite` only those that have no category."""

    overwrite: bool = False
    from_date: date | None = None
    to_date: date | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """`matching` meet the rule; `changing` would get another category by it."""

    matching: int
    changing: int
    samples: Sequence[Transaction]


async def preview(
    session: AsyncSession, scope: Scope, rule: CategorisationRule, history: History
) -> Preview:
    """What the rule, stored or not, would do if it were the only one."""
    require_organization_writer(scope)
    columns = _as_row(rule).c
    matching = and_(_in_days(scope, history), meets(Transaction, columns))
    changing = _changes(history, columns.category_id)
    counts = await session.execute(
        select(func.count(), func.count().filter(changing)).where(matching)
    )
    samples = await session.scalars(
        select(Transaction)
        .where(matching, changing)
        .order_by(Transaction.date.desc(), Transaction.id.desc())
        .limit(SAMPLES)
    )
    return Preview(*counts.one(), samples.all())


async def apply_rules(session: AsyncSession, scope: Scope, history: History) -> dict[UUID, int]:
    """How many transactions each active rule has changed; of those that a row meets, the first."""
    require_organization_writer(scope)
    async with _first_matches(session, scope, history):
        changed = (
            select(Transaction.id)
            .join(_MATCHES, _MATCHES.c.transaction_id == Transaction.id)
            .where(_in_days(scope, history), _changes(history, _MATCHES.c.category_id))
        )
        # From here on nobody else changes them: what is told of them is what is done.
        await session.execute(changed.with_for_update(of=Transaction, key_share=True))
        counts = await _counts(session, changed)
        await _audit(session, scope, changed)
        await session.execute(
            update(Transaction)
            .where(
                Transaction.organization_id == scope.organization_id,
                Transaction.id == _MATCHES.c.transaction_id,
                _changes(history, _MATCHES.c.category_id),
            )
            .values(category_id=_MATCHES.c.category_id, auto_categorised=True, confidence=CERTAIN)
            .execution_options(synchronize_session=False)
        )
    told = {"overwrite": history.overwrite, "changed": sum(counts.values())}
    await record(session, scope, "apply", "categorisation_rules", scope.organization_id, after=told)
    return counts


@asynccontextmanager
async def _first_matches(
    session: AsyncSession, scope: Scope, history: History
) -> AsyncIterator[None]:
    rule = CategorisationRule
    first = (
        select(Transaction.id, rule.id.label("rule_id"), rule.category_id)
        .join(rule, and_(active_rules(scope), meets(Transaction)))
        .where(_in_days(scope, history))
        .ext(distinct_on(Transaction.id))
        .order_by(Transaction.id, rule.position, rule.id)
    )
    if not history.overwrite:
        first = first.where(Transaction.category_id.is_(None))
    await session.execute(CreateTable(_MATCHES))
    await session.execute(_MATCHES.insert().from_select(_MATCHES.columns.keys(), first))
    yield
    await session.execute(DropTable(_MATCHES))


def _as_row(rule: CategorisationRule) -> Subquery:
    columns = CategorisationRule.__table__.columns
    wanted = (c for c in columns if c.name not in {"organization_id", "created_at", "updated_at"})
    return select(
        *(literal(getattr(rule, c.name), c.type).label(c.name) for c in wanted)
    ).subquery()


async def _counts(session: AsyncSession, changed: Select[UUID]) -> dict[UUID, int]:
    rows = await session.execute(
        changed.with_only_columns(_MATCHES.c.rule_id, func.count().label("number")).group_by(
            _MATCHES.c.rule_id
        )
    )
    return {row.rule_id: row.number for row in rows}


async def _audit(session: AsyncSession, scope: Scope, changed: Select[UUID]) -> None:
    before = stored_transaction_states()
    made = func.jsonb_build_object(
        literal("category_id", Text),
        _MATCHES.c.category_id,
        literal("auto_categorised", Text),
        True,
        literal("confidence", Text),
        CERTAIN,
    )
    states = changed.with_only_columns(
        Transaction.id.label("object_id"),
        before.label("before"),
        before.op("||")(made).label("after"),
    )
    await record_many(session, scope, "categorise", "transaction", states)


def _in_days(scope: Scope, history: History) -> ColumnElement[bool]:
    conditions = [visible_transactions(scope), ~_is_split()]
    if history.from_date is not None:
        conditions.append(Transaction.date >= history.from_date)
    if history.to_date is not None:
        conditions.append(Transaction.date <= history.to_date)
    return and_(*conditions)


def _is_split() -> ColumnElement[bool]:
    return exists().where(
        TransactionSplit.organization_id == Transaction.organization_id,
        TransactionSplit.transaction_id == Transaction.id,
    )


def _changes(history: History, category: ColumnElement[Any]) -> ColumnElement[bool]:
    if history.overwrite:
        return Transaction.category_id.is_distinct_from(category)
    return Transaction.category_id.is_(None)
