"""A synthetic ledger of any size, the same for the same arguments, written by COPY."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.copying import CHUNK_ROWS, insert_records, refresh_statistics
from backend.db.engine import organization_session
from backend.identity.models import OrganizationKind
from backend.ledger.models import Transaction, TransactionTag
from backend.scope import Role
from backend.seeds.organization import create_organization, seed_organization_id
from backend.seeds.people import Person, add_members
from backend.seeds.report import SeedReport, report
from backend.seeds.synthetic.frame import add_frame
from backend.seeds.synthetic.plan import CURRENCY, YEARS, Plan
from backend.seeds.synthetic.transactions import TRANSACTION_COLUMNS, tags, transaction


async def seed_synthetic(
    engine: AsyncEngine,
    transactions: int,
    people: int,
    *,
    today: date,
    organizations: int = 1,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SeedReport]:
    """Spread `transactions` and `people` over `organizations`, and dates over 3 years to `today`.

    Other arguments make other organizations; with the same ones a second call adds nothing. Raises
    `ValueError` when an organization would have nobody.
    """
    if not 1 <= organizations <= people:
        raise ValueError(f"{people} people cannot fill {organizations} organizations.")
    arguments = (transactions, people, organizations, seed, today)
    reports = []
    for index in range(organizations):
        organization_id = seed_organization_id("synthetic", *arguments, index)
        plan = Plan(
            organization_id=organization_id,
            name="Synthetic" if organizations == 1 else f"Synthetic {index + 1}",
            people=tuple(_people(range(index, people, organizations))),
            transactions=len(range(index, transactions, organizations)),
            randomness=f"{seed}/{index}",
            starts_on=today - timedelta(days=365 * YEARS - 1),
            today=today,
        )
        reports.append(await _seed_organization(engine, plan, progress))
    return reports


async def _seed_organization(
    engine: AsyncEngine, plan: Plan, progress: Callable[[str], None]
) -> SeedReport:
    async with organization_session(engine, plan.organization_id) as session:
        if not await create_organization(
            session,
            plan.name,
            kind=OrganizationKind.COMPANY,
            base_currency=CURRENCY,
            time_zone="UTC",
        ):
            return await report(session, created=False)
        users = await add_members(session, plan.people)
        await add_frame(session, plan, [users[person.email] for person in plan.people])
        await refresh_statistics(session)
        for first in range(0, plan.transactions, CHUNK_ROWS):
            chunk = range(first, min(first + CHUNK_ROWS, plan.transactions))
            await insert_records(
                session,
                Transaction.__table__,
                TRANSACTION_COLUMNS,
                (transaction(plan, number) for number in chunk),
            )
            await insert_records(
                session,
                TransactionTag.__table__,
                ["transaction_id", "tag_id"],
                (row for number in chunk for row in tags(plan, number)),
            )
            progress(f"{plan.name}: {chunk.stop:,} of {plan.transactions:,} transactions")
        return await report(session, created=True)


def _people(numbers: range) -> Iterator[Person]:
    for number in numbers:
        yield Person(
            f"person-{number + 1:06}@synthetic.example",
            f"Synthetic person {number + 1}",
            Role.OWNER if number == numbers.start else Role.MEMBER,
        )
