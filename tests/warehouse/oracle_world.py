"""A few hundred rows that hold what goes wrong: gaps, ties, other people's, odd texts and signs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from tests.warehouse.hand_made import TABLES, identity, make_manifest

HERE, THERE = identity(1), identity(2)  # organizations; everything there is foreign here
ANN, BEN, CAT, EVE = (identity(n) for n in (11, 12, 13, 14))
ACCOUNTS = {identity(20 + n): owner for n, owner in enumerate((ANN, ANN, BEN, BEN, CAT), 1)}
FOREIGN_ACCOUNT, UNKNOWN = identity(29), identity(999)
TAGS = [identity(30 + n) for n in range(1, 5)]
BUDGETS = {identity(40 + n): owner for n, owner in enumerate((ANN, BEN, CAT), 1)}
FOREIGN_BUDGET = identity(49)
FOREIGN_TEXT = "belongs to others"
VENDORS = ["Café Zoë", "café zoë", "ACME %_", "Zażółć 漢字", "🍕 & Co", "", 'O\'Neil "x"', None]
CURRENCIES = ["EUR", "EUR", "EUR", "USD", "JPY"]

Row = dict[str, Any]


def make_world() -> dict[str, list[Row]]:
    """Rows by table, as they are stored."""
    made = _World(Random(7))  # noqa: S311  # the same rows every time
    return {
        table: [dict(zip(columns, row, strict=True)) for row in made.rows(table)]
        for table, columns in TABLES.items()
    }


def manifest_with_every_aggregate() -> dict[str, Any]:
    manifest = make_manifest()
    money = {"unit": "currency", "currency_column": "currency"}
    extra: dict[str, dict[str, Any]] = {
        "fct_transactions": {
            "smallest": {"agg": "min", "column": "amount", **money},
            "named": {"agg": "count", "column": "vendor"},
            "first_day": {"agg": "min", "column": "booking_date"},
            "latest": {"agg": "max", "column": "created_at"},
        },
        "fct_daily_balance_history": {
            "days": {"agg": "count"},
            "accounts": {"agg": "count_distinct", "column": "account_id"},
            "per_day": {"ratio": ["balance", "days"], **money},
        },
        "fct_daily_spending_by_tag": {
            "rows": {"agg": "count"},
            "per_row": {"ratio": ["spent", "rows"], **money},
        },
    }
    for name, measures in extra.items():
        meta = manifest["nodes"][f"model.outlay.{name}"]["config"]["meta"]
        meta["measures"].update(measures)
    return manifest


class _World:
    def __init__(self, random: Random) -> None:
        self.random = random

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        maker = getattr(self, f"_{table}")
        rows: list[tuple[Any, ...]] = maker()
        return rows

    def _owned(self) -> list[tuple[UUID, UUID, UUID]]:
        own = [(HERE, owner, account) for account, owner in ACCOUNTS.items()]
        return [*own, (THERE, EVE, FOREIGN_ACCOUNT)]

    def _day(self) -> date:
        return self.random.choice([
            date(2023, 12, 30) + timedelta(days=self.random.randrange(440)),
            date(2025, 1, 1) + timedelta(days=self.random.randrange(70)),
            date(2024, 2, 29),
            date(2023, 2, 28),
            date(2024, 12, 31),
        ])  # fmt: skip

    def _amount(self) -> Decimal:
        whole = self.random.choice([0, 1, -1, 5, -20, self.random.randrange(-500, 1000)])
        return Decimal(whole) + Decimal(self.random.randrange(10_000)).scaleb(-4)

    def _dim_accounts(self) -> list[tuple[Any, ...]]:
        names = ["Giro", "giro", "Karte 💳", "Giro", None]
        own = [
            (HERE, account, owner, name)
            for (account, owner), name in zip(ACCOUNTS.items(), names, strict=True)
        ]
        return [*own, (THERE, FOREIGN_ACCOUNT, EVE, FOREIGN_TEXT)]

    def _dim_tags(self) -> list[tuple[Any, ...]]:
        names = ["Food", "food", "Übrig", "Travel"]
        own = [(HERE, tag, name, None) for tag, name in zip(TAGS, names, strict=True)]
        return [*own, (THERE, TAGS[0], FOREIGN_TEXT, "#fff"), (THERE, UNKNOWN, FOREIGN_TEXT, None)]

    def _dim_budgets(self) -> list[tuple[Any, ...]]:
        parent, *_ = BUDGETS
        own = [
            (HERE, budget, owner, name, None if budget == parent else parent, f"All / {name}",
             amount, currency)
            for (budget, owner), name, amount, currency in zip(
                BUDGETS.items(), ("All", "Team", "Team"), map(Decimal, (100, 20, 30)),
                ("EUR", "EUR", "USD"), strict=True,
            )
        ]  # fmt: skip
        foreign = (FOREIGN_TEXT, None, FOREIGN_TEXT, Decimal(7), "EUR")
        return [*own, (THERE, FOREIGN_BUDGET, EVE, *foreign)]

    def _dim_date(self) -> list[tuple[Any, ...]]:
        days = [date(2024, 2, 25) + timedelta(days=n) for n in range(40)]
        return [(day, None if day.day == 13 else day.weekday() > 4) for day in days]

    def _fct_transactions(self) -> list[tuple[Any, ...]]:
        pick = self.random.choice
        rows = []
        for number in range(330):
            organization, owner, account = pick(self._owned())
            foreign = organization == THERE
            budget = pick([*BUDGETS, None, FOREIGN_BUDGET, UNKNOWN])
            tags = pick([[], None, [TAGS[0]], TAGS[:2], TAGS[1:], [UNKNOWN]])
            at = datetime(2024, 12, 30, tzinfo=UTC) + timedelta(minutes=pick([5, 7, 11]) * number)
            rows.append((
                organization, identity(1000 + number), account, owner, self._day(),
                FOREIGN_TEXT if foreign else pick(VENDORS), self._amount(), pick(CURRENCIES),
                tags, budget, pick([at, at, None]),
            ))  # fmt: skip
        return sorted(rows, key=lambda row: (row[0].int, row[3].int, row[4], row[1].int))

    def _fct_daily_spending_by_tag(self) -> list[tuple[Any, ...]]:
        rows = []
        for _ in range(150):
            organization, owner, account = self.random.choice(self._owned())
            base = self.random.choice([self._amount(), None])
            rows.append((
                organization, owner, account, self._day(),
                self.random.choice([*TAGS, None, UNKNOWN]), self.random.choice(CURRENCIES),
                self._amount(), base, "EUR", self.random.randrange(4), int(base is None),
            ))  # fmt: skip
        return rows

    def _fct_daily_balance_history(self) -> list[tuple[Any, ...]]:
        rows = []
        for organization, owner, account in self._owned():
            currency = self.random.choice(CURRENCIES)
            for _ in range(30):
                base = self.random.choice([self._amount(), None])
                rows.append(
                    (organization, owner, account, self._day(), self._amount(), currency, base,
                     self.random.choice(["EUR", "USD"]))
                )  # fmt: skip
        by_day = {(row[2], row[3]): row for row in rows}
        return list(by_day.values())

    def _fct_monthly_trends(self) -> list[tuple[Any, ...]]:
        rows = []
        for organization, owner, account in self._owned():
            for month in (date(2023 + n // 12, n % 12 + 1, 1) for n in range(10, 26)):
                for currency in self.random.sample(["EUR", "USD"], self.random.randrange(3)):
                    income = self.random.choice([Decimal(0), self._amount(), self._amount()])
                    spending = self._amount()
                    figures = (income, spending, income - spending)
                    base = self.random.choice([figures, (None, None, None)])
                    rows.append((organization, owner, account, month, currency, *figures, *base,
                                 "EUR", self.random.randrange(3)))  # fmt: skip
        return rows
