"""Lists of transactions, filtered and ordered, always within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from backend.db.keyset import Order, Window, windowed
from backend.ledger.category_tree import subtree
from backend.ledger.models import Transaction, TransactionSplit, TransactionTag
from backend.ledger.queries import get_account, get_category, get_tag
from backend.ledger.visibility import visible_transactions
from backend.scope import Scope

_BY_DATE = (Transaction.date, Transaction.id)
_BY_AMOUNT = (Transaction.amount, Transaction.id)
ORDERS = {
    "-date": Order(_BY_DATE, descending=True),
    "date": Order(_BY_DATE),
    "-amount": Order(_BY_AMOUNT, descending=True),
    "amount": Order(_BY_AMOUNT),
}

_EQUAL = (
    "account_id",
    "kind",
    "status",
    "currency",
    "payment_method",
    "external_id",
    "auto_categorised",
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is None filters nothing; `attributed` selects the transactions of a budget.

    Category and tag also match through a split. `vendor` is its whole name, in any case; `q` a part
    of it or of the description.
    """

    account_id: UUID | None = None
    category_id: UUID | None = None
    include_subcategories: bool = False
    uncategorised: bool = False
    tag_id: UUID | None = None
    attributed: Select[UUID] | None = None
    kind: str | None = None
    status: str | None = None
    currency: str | None = None
    payment_method: str | None = None
    vendor: str | None = None
    external_id: str | None = None
    auto_categorised: bool | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    from_date: date | None = None
    to_date: date | None = None
    q: str | None = None
    deleted: bool = False


async def list_transactions(
    session: AsyncSession, scope: Scope, window: Window, order: Order, filters: Filters
) -> Sequence[Transaction]:
    """An account, category or tag that the caller does not see is `NotFound`."""
    if filters.account_id is not None:
        await get_account(session, scope, filters.account_id)
    if filters.category_id is not None:
        await get_category(session, scope, filters.category_id)
    if filters.tag_id is not None:
        await get_tag(session, scope, filters.tag_id)
    statement = select(Transaction).where(
        visible_transactions(scope, deleted=filters.deleted), *_conditions(scope, filters)
    )
    return (await session.scalars(windowed(statement, order, window))).all()


def _conditions(scope: Scope, filters: Filters) -> list[ColumnElement[bool]]:
    found = [
        getattr(Transaction, name) == value
        for name in _EQUAL
        if (value := getattr(filters, name)) is not None
    ]
    if filters.category_id is not None:
        below = filters.include_subcategories
        found.append(_in_category(scope, filters.category_id, below=below))
    if filters.uncategorised:
        found += _uncategorised()
    if filters.tag_id is not None:
        found.append(_with_tag(filters.tag_id))
    if filters.attributed is not None:
        found.append(Transaction.id.in_(filters.attributed))
    if filters.vendor is not None:
        found.append(func.lower(Transaction.vendor) == func.lower(filters.vendor))
    if filters.q is not None:
        found.append(
            or_(
                Transaction.description.icontains(filters.q, autoescape=True),
                Transaction.vendor.icontains(filters.q, autoescape=True),
            )
        )
    return found + _within(filters)


def _within(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, lowest, highest in (
        (Transaction.amount, filters.min_amount, filters.max_amount),
        (Transaction.date, filters.from_date, filters.to_date),
    ):
        bounds: Any = column
        if lowest is not None:
            found.append(bounds >= lowest)
        if highest is not None:
            found.append(bounds <= highest)
    return found


# Asked of each transaction in the list's own order, so that a page of a common category or tag is
# found among the first rows, not among all of them.
def _in_category(scope: Scope, category_id: UUID, *, below: bool) -> ColumnElement[bool]:
    wanted = subtree(scope, category_id) if below else [category_id]
    part = _parts().where(TransactionSplit.category_id.in_(wanted))
    whole = Transaction.category_id.in_(wanted)
    return or_(and_(whole, _counts_itself(TransactionSplit.category_id)), part.exists())


def _uncategorised() -> list[ColumnElement[bool]]:
    """Without a category, and without splits that all have one."""
    return [Transaction.category_id.is_(None), _counts_itself(TransactionSplit.category_id)]


def _counts_itself(column: InstrumentedAttribute[UUID | None]) -> ColumnElement[bool]:
    """Not where all its splits have their own: then what the transaction has counts nowhere."""
    return or_(~_parts().exists(), _parts().where(column.is_(None)).exists())


def _with_tag(tag_id: UUID) -> ColumnElement[bool]:
    tagged = select(TransactionTag.tag_id).where(
        TransactionTag.organization_id == Transaction.organization_id,
        TransactionTag.transaction_id == Transaction.id,
        TransactionTag.tag_id == tag_id,
    )
    part = _parts().where(TransactionSplit.tag_id == tag_id)
    return or_(and_(tagged.exists(), _counts_itself(TransactionSplit.tag_id)), part.exists())


def _parts() -> Select[UUID]:
    return select(TransactionSplit.id).where(
        TransactionSplit.organization_id == Transaction.organization_id,
        TransactionSplit.transaction_id == Transaction.id,
    )
