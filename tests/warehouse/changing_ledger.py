"""A small ledger in PostgreSQL that can be changed in every way that a mart depends on.

Rows have counted ids, so that a failing example can be repeated. Things are picked by number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import asyncpg

from backend.db.bootstrap import connect
from backend.settings import Settings
from tests import server

FIRST_DAY = date(2025, 3, 1)
CURRENCIES = ("EUR", "USD", "GBP")
SERVICES = ("Queue", "Storage")
ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")  # it is never the same day in all three

_REFUSALS = (
    asyncpg.ForeignKeyViolationError,
    asyncpg.UniqueViolationError,
    asyncpg.CheckViolationError,  # a budget below itself
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)


class ChangingLedger:
    """One organization with two people, as the application's role writes it."""

    def __init__(self, server_url: str, home: Path) -> None:
        self.runner = asyncio.Runner()
        self.url = self.runner.run(server.clone(server_url))
        self.settings = server.settings_for(home, self.url)
        self.counted = 0
        self.organization = self.id()
        self.connection = self._connect()
        self.late: asyncpg.Connection | None = None
        self._found()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish_late(commits=False)
        self.runner.run(self.connection.close())
        self.runner.run(server.drop(self.url))
        self.runner.close()

    def _connect(self) -> asyncpg.Connection:
        async def open_one() -> asyncpg.Connection:
            connection = await connect(self.settings.role_url("outlay_app"))
            await connection.execute(
                "SELECT set_config('outlay.organization_id', $1, false), "
                "set_config('lock_timeout', '50ms', false)",
                str(self.organization),
            )
            return connection

        return self.runner.run(open_one())

    def _found(self) -> None:
        self.write("INSERT INTO organizations (id, name, base_currency) VALUES ($1, 'O', 'EUR')",
                   self.organization)  # fmt: skip
        self.people = [
            self.value("SELECT create_user($1, 'A person', NULL)", f"{self.id()}@example.com")
            for _ in range(2)
        ]
        for person in self.people:
            self.write("INSERT INTO members (user_id, role) VALUES ($1, 'owner')", person)
        self.accounts = [self.add_account(currency) for currency in ("EUR", "EUR", "USD")]
        self.categories = [self.id() for _ in range(3)]
        for number, category in enumerate(self.categories):
            above = self.categories[0] if number == 1 else None
            self.write("INSERT INTO categories (id, name, parent_id) VALUES ($1, $2, $3)",
                       category, f"Category {number}", above)  # fmt: skip
        for number in range(3):
            self.write("INSERT INTO tags (id, name) VALUES ($1, $2)", self.id(), f"Tag {number}")
        root = self.add_budget("EUR", None)
        self.add_budget("USD", root)
        self.add_budget("EUR", root)
        self.add_budget("GBP", None)
        self.statement_import = self.value(
            "INSERT INTO imports (id, account_id, format, sha256, created, duplicates, failed) "
            "VALUES ($1, $2, 'focus', '', 0, 0, 0) RETURNING id",
            self.id(), self.accounts[0],
        )  # fmt: skip

    def id(self) -> UUID:
        self.counted += 1
        return UUID(int=(8 << 76) | (0b10 << 62) | self.counted)

    def write(self, statement: str, *values: object) -> bool:
        """In a transaction of its own; False where the database refuses it."""
        with suppress(*_REFUSALS):
            self.runner.run(self.connection.execute(statement, *values))
            return True
        return False

    def value(self, query: str, *values: object) -> Any:
        return self.runner.run(self.connection.fetchval(query, *values))

    def pick(self, table: str, number: int, column: str = "id") -> UUID | None:
        rows = self.runner.run(
            self.connection.fetch(f"SELECT {column} AS picked FROM {table} ORDER BY 1")
        )
        return rows[number % len(rows)]["picked"] if rows else None

    # What is there.

    def add_account(self, currency: str) -> UUID:
        account = self.id()
        self.write(
            "INSERT INTO accounts (id, owner_id, name, type, currency) "
            "VALUES ($1, $2, 'An account', 'bank', $3)",
            account, self.people[0], currency,
        )  # fmt: skip
        return account

    def add_budget(self, currency: str, above: UUID | None) -> UUID:
        budget = self.id()
        self.write(
            "INSERT INTO budgets (id, parent_id, owner_id, name, level, type, amount, currency, "
            "starts_on, ends_on) VALUES ($1, $2, $3, $4, 'team', 'custom', 100, $5, $6, $7)",
            budget, above, self.people[0], f"Budget {budget}", currency, FIRST_DAY, day(40),
        )  # fmt: skip
        self.write(
            "INSERT INTO budget_periods (budget_id, starts_on, ends_on, amount) "
            "VALUES ($1, $2, $3, 100)",
            budget, FIRST_DAY, day(20),
        )  # fmt: skip
        return budget

    def book(
        self,
        on: date,
        *,
        account: int = 0,
        kind: str = "expense",
        status: str = "paid",
        currency: str = "EUR",
        amount: Decimal = Decimal(10),
        category: int | None = None,
        budget: UUID | None = None,
        connection: asyncpg.Connection | None = None,
    ) -> UUID:
        transaction = self.id()
        self.runner.run(
            (connection or self.connection).execute(
                "INSERT INTO transactions (id, account_id, kind, status, date, amount, currency, "
                "description, category_id, budget_id) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, 'booked', $8, $9)",
                transaction, self.accounts[account % len(self.accounts)], kind, status, on,
                amount, currency,
                None if category is None else self.categories[category % len(self.categories)],
                budget,
            )
        )  # fmt: skip
        return transaction

    def split(self, transaction: UUID, tags: Sequence[UUID | None]) -> None:
        """In halves, with a tag each; without any, whole again."""
        self.write("DELETE FROM transaction_splits WHERE transaction_id = $1", transaction)
        for tag in tags:
            self.write(
                "INSERT INTO transaction_splits (id, transaction_id, amount, category_id, tag_id) "
                "SELECT $1, id, amount / 2, category_id, $3 FROM transactions WHERE id = $2",
                self.id(), transaction, tag,
            )  # fmt: skip

    def add_cost(
        self, on: date, *, account: int, service: str, currency: str, cost: Decimal
    ) -> None:
        self.write(
            "INSERT INTO cloud_costs (id, account_id, import_id, row_digest, provider, "
            "service_name, charge_category, charge_period_start, charge_period_end, "
            "billing_period_start, billing_period_end, billed_cost, effective_cost, "
            "billing_currency, raw) SELECT $1, $2, $3, uuid_send($1), 'P', $4, 'Usage', $5, "
            "$5 + interval '1 hour', $5, $5 + interval '1 day', $6, $6, $7, '{}' "
            "FROM (SELECT $5::date::timestamptz AT TIME ZONE 'UTC') d",
            self.id(), self.accounts[account % len(self.accounts)], self.statement_import, service,
            on, cost, currency,
        )  # fmt: skip

    def rate(self, base: str, quote: str, on: date, rate: Decimal) -> None:
        self.write(
            "INSERT INTO fx_rates (base_currency, quote_currency, date, rate, source) "
            "VALUES ($1, $2, $3, $4, 'manual') "
            "ON CONFLICT (organization_id, base_currency, quote_currency, date) "
            "DO UPDATE SET rate = excluded.rate",
            base, quote, on, rate,
        )  # fmt: skip

    # A transaction that begins before a refresh and ends after it.

    def begin_late(self) -> asyncpg.Connection:
        if self.late is None:
            self.late = self._connect()
            self.runner.run(self.late.execute("BEGIN"))
            self.runner.run(self.late.execute("SELECT pg_current_xact_id()"))
        return self.late

    def finish_late(self, *, commits: bool) -> None:
        if self.late is not None:
            self.runner.run(self.late.execute("COMMIT" if commits else "ROLLBACK"))
            self.runner.run(self.late.close())
            self.late = None


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def extract_url(settings: Settings) -> str:
    return settings.role_url("outlay_extract").render_as_string(hide_password=False)
