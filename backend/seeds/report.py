"""What a seed found in its source and left in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.budgets.models import Budget
from backend.identity.models import Organization
from backend.ledger.models import Account, Category, Tag, Transaction, TransactionKind
from backend.seeds.people import SeededUser, members

# Enough for a board; a synthetic organization may have tens of thousands.
LISTED_USERS = 20


@dataclass(frozen=True, slots=True)
class SeedReport:
    """Counts are those of the organization after the seed, whoever added the rows.

    `created` is false when the organization was there already: then nothing was read or added, and
    `rows_read` and `findings` are empty. `users` are its members, `LISTED_USERS` at most.
    """

    organization_id: UUID
    organization: str
    created: bool
    rows_read: int
    transactions: int
    refunds: int
    accounts: int
    categories: int
    tags: int
    budgets: int
    findings: tuple[str, ...]
    users: tuple[SeededUser, ...]


async def report(
    session: AsyncSession,
    *,
    created: bool,
    rows_read: int = 0,
    findings: Sequence[str] = (),
) -> SeedReport:
    """Describe the session's organization."""
    counts = {
        "transactions": select(func.count()).select_from(Transaction),
        "refunds": select(func.count()).where(Transaction.kind == TransactionKind.REFUND),
        "accounts": select(func.count()).select_from(Account),
        "categories": select(func.count()).select_from(Category),
        "tags": select(func.count()).select_from(Tag),
        "budgets": select(func.count()).select_from(Budget),
    }
    row = (
        await session.execute(
            select(
                Organization.id.label("organization_id"),
                Organization.name.label("organization"),
                *(count.scalar_subquery().label(name) for name, count in counts.items()),
            )
        )
    ).one()
    return SeedReport(
        **row._mapping,  # noqa: SLF001  # SQLAlchemy's documented name
        created=created,
        rows_read=rows_read,
        findings=tuple(findings),
        users=tuple(await members(session, limit=LISTED_USERS)),
    )
