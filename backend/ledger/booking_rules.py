"""What every booking must keep to, whether it comes alone or with ten thousand others.

A row is the columns of a Transaction with its `tag_ids` and `splits`, as a caller gives them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.db.references import among, visible_ids
from backend.errors import FieldError
from backend.ledger.models import Account, AccountStatus, Category, Tag, TransactionKind
from backend.ledger.visibility import visible_accounts, visible_categories, visible_tags
from backend.money import decimals_of, fits_currency
from backend.periods import FIRST_DATE, LAST_DATE
from backend.scope import Scope

Row = Mapping[str, Any]

_TOO_MUCH = 10**14  # for the column
_ACCOUNTS = ("account_id", "counter_account_id")


@dataclass(frozen=True, slots=True)
class Known:
    """What rows name and the caller may name in a booking; `accounts` with their currencies.

    `budgets` is None where somebody else answers for them. `complete` when nothing is missing.
    """

    accounts: Mapping[UUID, str]
    closed: Collection[UUID]
    categories: Collection[UUID]
    tags: Collection[UUID]
    budgets: Collection[UUID] | None
    complete: bool


async def look_up(
    session: AsyncSession,
    scope: Scope,
    rows: Sequence[Row],
    budgets: Collection[UUID] | None = None,
) -> Known:
    """One query for each kind of thing, however many rows there are."""
    splits = [split for row in rows for split in row.get("splits") or ()]
    named_accounts = _named(rows, *_ACCOUNTS)
    named_categories = _named(rows, "category_id") | _named(splits, "category_id")
    named_tags = {tag for row in rows for tag in row.get("tag_ids") or ()}
    named_tags |= _named(splits, "tag_id")
    named_budgets = _named(rows, "budget_id") | _named(splits, "budget_id")
    found = await session.execute(
        select(Account.id, Account.currency, Account.status).where(
            visible_accounts(scope), among(Account.id, named_accounts)
        )
    )
    accounts, closed = {}, set()
    for account in found:
        accounts[account.id] = account.currency
        if account.status == AccountStatus.CLOSED:
            closed.add(account.id)
    categories = await visible_ids(
        session, Category.id, visible_categories(scope), named_categories
    )
    tags = await visible_ids(session, Tag.id, visible_tags(scope), named_tags)
    complete = (
        named_accounts <= accounts.keys()
        and named_categories <= categories
        and named_tags <= tags
        and (budgets is None or named_budgets.issubset(budgets))
    )
    return Known(accounts, closed, categories, tags, budgets, complete)


def unknown(row: Row, known: Known, pointer: str = "#") -> list[FieldError]:
    """A fault for each thing the row names that the caller does not see."""
    if known.complete:
        return []
    faults = [
        FieldError(f"{pointer}/{name}", "There is no such account.")
        for name in _ACCOUNTS
        if row.get(name) is not None and row[name] not in known.accounts
    ]
    faults += _unknown_words(row, known, pointer)
    faults += [
        FieldError(f"{pointer}/tag_ids/{n}", "There is no such tag.")
        for n, tag in enumerate(row.get("tag_ids") or ())
        if tag not in known.tags
    ]
    for n, split in enumerate(row.get("splits") or ()):
        place = f"{pointer}/splits/{n}"
        faults += _unknown_words(split, known, place)
        if split.get("tag_id") is not None and split["tag_id"] not in known.tags:
            faults.append(FieldError(f"{place}/tag_id", "There is no such tag."))
    return faults


def misfits(row: Row, pointer: str = "#") -> list[FieldError]:
    """What is wrong with a row that has its `currency`, whoever it belongs to."""
    splits, currency = row.get("splits") or (), row["currency"]
    faults = _bad_transfer(row, pointer) + _bad_amount(row["amount"], currency, f"{pointer}/amount")
    if not FIRST_DATE <= row["date"] <= LAST_DATE:
        detail = f"Must lie between {FIRST_DATE} and {LAST_DATE}."
        faults.append(FieldError(f"{pointer}/date", detail))
    for n, split in enumerate(splits):
        faults += _bad_amount(split["amount"], currency, f"{pointer}/splits/{n}/amount")
    return faults + _bad_sum(row["amount"], [split["amount"] for split in splits], pointer)


def on_closed_account(row: Row, known: Known, pointer: str = "#") -> list[FieldError]:
    if not known.closed:
        return []
    return [
        FieldError(f"{pointer}/{name}", "The account is closed.")
        for name in _ACCOUNTS
        if row.get(name) in known.closed
    ]


def _bad_sum(amount: Decimal, parts: Sequence[Decimal], pointer: str = "#") -> list[FieldError]:
    if not parts or (total := sum(parts, Decimal(0))) == amount:
        return []
    return [FieldError(f"{pointer}/splits", f"They add up to {total}, the amount is {amount}.")]


def too_fine(amount: Decimal, currency: str, pointer: str) -> list[FieldError]:
    """A fault when the amount has more decimals than its currency."""
    if fits_currency(amount, currency):
        return []
    return [FieldError(pointer, f"An amount in {currency} has {decimals_of(currency)}.")]


def _bad_amount(amount: Decimal, currency: str, pointer: str) -> list[FieldError]:
    if 0 < amount < _TOO_MUCH:
        return too_fine(amount, currency, pointer)
    return [FieldError(pointer, "Must be greater than 0, with at most 14 digits before the point.")]


def _bad_transfer(row: Row, pointer: str) -> list[FieldError]:
    counter = row.get("counter_account_id")
    if counter is None:
        return []
    if row["kind"] != TransactionKind.TRANSFER:
        detail = "Only a transfer has a counter account."
    elif counter == row["account_id"]:
        detail = "A transfer goes to another account."
    else:
        return []
    return [FieldError(f"{pointer}/counter_account_id", detail)]


def _unknown_words(row: Row, known: Known, pointer: str) -> Iterator[FieldError]:
    category, budget = row.get("category_id"), row.get("budget_id")
    if category is not None and category not in known.categories:
        yield FieldError(f"{pointer}/category_id", "There is no such category.")
    if budget is not None and known.budgets is not None and budget not in known.budgets:
        yield FieldError(f"{pointer}/budget_id", "There is no such budget.")


def _named(rows: Iterable[Row], *columns: str) -> set[UUID]:
    return {row[name] for row in rows for name in columns if row.get(name) is not None}
