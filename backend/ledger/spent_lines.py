"""The lines of spending, within a scope: the one definition that live figures are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CHAR, ColumnElement, Numeric, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import Views
from backend.ledger.category_tree import subtree
from backend.ledger.models import Account, TransactionTag
from backend.ledger.queries import get_account, get_category, get_tag
from backend.ledger.visibility import visible_accounts
from backend.periods import Period
from backend.scope import Scope


class SpentLine(Views):
    """A split, or a transaction without splits; a refund's `amount` is negative.

    `tag_id` is a split's own: without one the tags of the transaction hold.
    """

    __tablename__ = "spent_lines"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID]
    account_id: Mapped[UUID]
    date: Mapped[date]
    status: Mapped[str]
    vendor: Mapped[str | None]
    payment_method: Mapped[str | None]
    category_id: Mapped[UUID | None]
    tag_id: Mapped[UUID | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 4))
    currency: Mapped[str] = mapped_column(CHAR(3))


@dataclass(frozen=True, slots=True)
class Filters:
    """What is None filters nothing; `vendor` is its whole name, in any case."""

    account_id: UUID | None = None
    category_id: UUID | None = None
    include_subcategories: bool = False
    tag_id: UUID | None = None
    vendor: str | None = None
    payment_method: str | None = None
    status: str | None = None
    currency: str | None = None


async def spent_lines(
    session: AsyncSession, scope: Scope, days: Period, filters: Filters
) -> Select[Any]:
    """An account, category or tag that the caller does not see is `NotFound`."""
    if filters.account_id is not None:
        await get_account(session, scope, filters.account_id)
    if filters.category_id is not None:
        await get_category(session, scope, filters.category_id)
    if filters.tag_id is not None:
        await get_tag(session, scope, filters.tag_id)
    return select(SpentLine).where(
        SpentLine.organization_id == scope.organization_id,
        SpentLine.account_id.in_(select(Account.id).where(visible_accounts(scope))),
        SpentLine.date.between(days.first, days.last),
        *_conditions(scope, filters),
    )


def _conditions(scope: Scope, filters: Filters) -> list[ColumnElement[bool]]:
    found = [
        getattr(SpentLine, name) == value
        for name in ("account_id", "payment_method", "status", "currency")
        if (value := getattr(filters, name)) is not None
    ]
    if filters.category_id is not None and filters.include_subcategories:
        found.append(SpentLine.category_id.in_(subtree(scope, filters.category_id)))
    elif filters.category_id is not None:
        found.append(SpentLine.category_id == filters.category_id)
    if filters.tag_id is not None:
        tagged = select(TransactionTag.transaction_id).where(
            TransactionTag.organization_id == scope.organization_id,
            TransactionTag.tag_id == filters.tag_id,
        )
        of_transaction = and_(SpentLine.tag_id.is_(None), SpentLine.transaction_id.in_(tagged))
        found.append(or_(SpentLine.tag_id == filters.tag_id, of_transaction))
    if filters.vendor is not None:
        found.append(func.lower(SpentLine.vendor) == func.lower(filters.vendor))
    return found
