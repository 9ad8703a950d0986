"""Reading the ledger: lists and single rows, always within a scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.keyset import Order, Window, windowed
from backend.db.locking import locked
from backend.db.references import among
from backend.errors import NotFound
from backend.ledger.models import Account, Category, Tag
from backend.ledger.visibility import visible_accounts, visible_categories, visible_tags
from backend.scope import Scope

ACCOUNTS_BY_NAME = Order((Account.name, Account.id))
CATEGORIES_BY_NAME = Order((Category.name, Category.id))
TAGS_BY_NAME = Order((Tag.name, Tag.id))


async def list_accounts(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    type_: str | None = None,
    currency: str | None = None,
    status: str | None = None,
    owner_id: UUID | None = None,
    q: str | None = None,
) -> Sequence[Account]:
    statement = select(Account).where(visible_accounts(scope))
    if type_ is not None:
        statement = statement.where(Account.type == type_)
    if currency is not None:
        statement = statement.where(Account.currency == currency)
    if status is not None:
        statement = statement.where(Account.status == status)
    if owner_id is not None:
        statement = statement.where(Account.owner_id == owner_id)
    if q:
        statement = statement.where(Account.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, ACCOUNTS_BY_NAME, window))).all()


async def get_account(
    session: AsyncSession, scope: Scope, account_id: UUID, *, lock: bool = False
) -> Account:
    statement = select(Account).where(visible_accounts(scope), Account.id == account_id)
    account = await session.scalar(locked(statement) if lock else statement)
    if account is None:
        raise NotFound("There is no such account.")
    return account


async def list_tags(
    session: AsyncSession, scope: Scope, window: Window, *, q: str | None = None
) -> Sequence[Tag]:
    statement = select(Tag).where(visible_tags(scope))
    if q:
        statement = statement.where(Tag.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, TAGS_BY_NAME, window))).all()


async def get_tag(session: AsyncSession, scope: Scope, tag_id: UUID, *, lock: bool = False) -> Tag:
    statement = select(Tag).where(visible_tags(scope), Tag.id == tag_id)
    tag = await session.scalar(locked(statement) if lock else statement)
    if tag is None:
        raise NotFound("There is no such tag.")
    return tag


async def list_categories(
    session: AsyncSession,
    scope: Scope,
    window: Window,
    *,
    parent_id: UUID | None = None,
    q: str | None = None,
) -> Sequence[Category]:
    statement = select(Category).where(visible_categories(scope))
    if parent_id is not None:
        await get_category(session, scope, parent_id)
        statement = statement.where(Category.parent_id == parent_id)
    if q:
        statement = statement.where(Category.name.icontains(q, autoescape=True))
    return (await session.scalars(windowed(statement, CATEGORIES_BY_NAME, window))).all()


async def get_category(
    session: AsyncSession, scope: Scope, category_id: UUID, *, lock: bool = False
) -> Category:
    statement = select(Category).where(visible_categories(scope), Category.id == category_id)
    category = await session.scalar(locked(statement) if lock else statement)
    if category is None:
        raise NotFound("There is no such category.")
    return category


async def names_of(
    session: AsyncSession, scope: Scope, words: type[Category | Tag], ids: Iterable[UUID | None]
) -> dict[UUID | None, str]:
    wanted = [identity for identity in ids if identity is not None]
    rows = await session.execute(
        select(words.id, words.name).where(
            words.organization_id == scope.organization_id, among(words.id, wanted)
        )
    )
    return {row.id: row.name for row in rows}
