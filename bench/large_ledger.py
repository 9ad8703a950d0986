"""A ledger of any size, quickly: a synthetic one that the server multiplies by itself.

Triggers and foreign keys are off meanwhile, so what they would have written is written here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from backend.cli.seed import run_synthetic_seed
from backend.db.bootstrap import connect
from backend.settings import Settings

SEEDED = 20_000
PEOPLE = 500

Result = TypeVar("Result")

_MULTIPLY = (
    "SET session_replication_role = replica",
    # Each copy lies on another account; dates and all else stay.
    """CREATE TEMP TABLE copies AS
    WITH numbered AS (
        SELECT organization_id, id, row_number() OVER (ORDER BY id) - 1 AS place,
            count(*) OVER () AS accounts
        FROM accounts
    )
    SELECT t.*, uuidv7() AS copied_id, a.id AS copied_to
    FROM (SELECT t.*, row_number() OVER (ORDER BY t.id) AS place FROM transactions t) t
    CROSS JOIN generate_series(1, $1::int - 1) AS copy
    JOIN numbered a ON a.place = (t.place * 7919 + copy * 104729) % a.accounts""",
    """INSERT INTO transactions (organization_id, id, account_id, kind, status, date, amount,
        currency, description, category_id, budget_id, vendor, payment_method)
    SELECT organization_id, copied_id, copied_to, kind, status, date, amount, currency,
        description, category_id, budget_id, vendor, payment_method FROM copies""",
    """INSERT INTO transaction_tags (organization_id, transaction_id, tag_id)
    SELECT c.organization_id, c.copied_id, g.tag_id FROM copies c
    JOIN transaction_tags g ON g.organization_id = c.organization_id AND g.transaction_id = c.id""",
    """INSERT INTO budget_attributions (
        organization_id, line_id, root_id, transaction_id, budget_id, rule)
    SELECT c.organization_id, c.copied_id, b.root_id, c.copied_id, b.id, 'explicit'
    FROM copies c JOIN budgets b ON b.organization_id = c.organization_id AND b.id = c.budget_id
    WHERE c.kind IN ('expense', 'refund')""",
    "DROP TABLE copies",
    "RESET session_replication_role",
    "VACUUM ANALYZE transactions, transaction_tags, budget_attributions",
)


def load(settings: Settings, transactions: int) -> None:
    """One organization of 500 people with so many transactions, a multiple of 20,000."""
    run_synthetic_seed(settings, transactions=SEEDED, people=PEOPLE, organizations=1)

    async def multiply(connection: asyncpg.Connection) -> None:
        for statement in _MULTIPLY:
            values = (transactions // SEEDED,) if "$1" in statement else ()
            await connection.execute(statement, *values, timeout=7200)

    as_superuser(settings, multiply)


def change_some(settings: Settings, share: float) -> int:
    """Write so many transactions anew, of all days alike, as the application would."""

    async def change(connection: asyncpg.Connection) -> int:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('outlay.organization_id', id::text, true) FROM organizations"
            )
            written: str = await connection.execute(
                "UPDATE transactions SET amount = amount + 1 "
                "WHERE abs(hashtext(id::text)) % 100000 < $1::int",
                round(share * 100_000),
                timeout=600,
            )
        return int(written.rsplit(maxsplit=1)[-1])

    return as_superuser(settings, change)


def as_superuser(
    settings: Settings, work: Callable[[asyncpg.Connection], Awaitable[Result]]
) -> Result:
    async def connected() -> Result:
        connection = await connect(settings.admin_url())
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())
