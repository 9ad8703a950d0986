"""Whatever is written between refreshes, an incremental one leaves what a full one makes."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.sizes import sized
from tests.warehouse.changing_ledger import CURRENCIES, SERVICES, ZONES, ChangingLedger, day
from tests.warehouse.compiled_models import Model, compile_models
from tests.warehouse.refreshed_twice import Refreshed, with_models

picks = st.integers(0, 7)
days = st.integers(0, 24).map(day)
amounts = st.integers(1, 90_000).map(lambda units: Decimal(units).scaleb(-4))
currencies = st.sampled_from(CURRENCIES)
rates = st.sampled_from([Decimal("0.5"), Decimal("1.25"), Decimal("1.1"), Decimal("1e-9")])


class LedgerMachine(RuleBasedStateMachine):
    server_url: str
    models: list[Model]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outlay-incremental-"))
        self.ledger = ChangingLedger(self.server_url, self.folder / "home")
        for number in range(4):
            budget = self.ledger.pick("budgets", number)
            self.ledger.book(day(number), account=number, category=number, budget=budget)
        self.ledger.rate("EUR", "USD", day(2), Decimal("1.25"))
        self.refreshed = Refreshed(
            self.ledger.settings, self.folder / "warehouse", with_models(self.models)
        )

    def teardown(self) -> None:
        self.ledger.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def transaction(self, number: int) -> UUID | None:
        return self.ledger.pick("transactions", number)

    def budget(self, number: int) -> UUID | None:
        return self.ledger.pick("budgets", number)

    @rule()
    def refresh(self) -> None:
        assert self.refreshed.refresh().kind == "incremental"

    # The ledger.

    @rule(on=days, account=picks, kind=st.sampled_from(["expense", "refund", "income", "transfer"]),
          status=st.sampled_from(["paid", "paid", "pending", "cancelled"]), currency=currencies,
          amount=amounts, category=st.none() | picks, budget=st.none() | picks)  # fmt: skip
    def book(self, budget: int | None, **values: Any) -> None:
        self.ledger.book(**values, budget=None if budget is None else self.budget(budget))

    @rule(
        number=picks,
        change=st.one_of(
            st.tuples(st.just("amount"), amounts),
            st.tuples(st.just("date"), days),
            st.tuples(st.just("currency"), currencies),
            st.tuples(st.just("status"), st.sampled_from(["paid", "cancelled"])),
            st.tuples(st.just("kind"), st.sampled_from(["expense", "refund", "income"])),
            st.tuples(st.just("description"), st.sampled_from(["some", "other"])),
        ),
    )
    def change(self, number: int, change: tuple[str, object]) -> None:
        column, value = change
        self.ledger.write(
            f"UPDATE transactions SET {column} = $2 WHERE id = $1", self.transaction(number), value
        )

    @rule(number=picks, to=picks, what=st.sampled_from(["account", "category", "budget"]))
    def move(self, number: int, to: int, what: str) -> None:
        table = {"account": "accounts", "category": "categories", "budget": "budgets"}[what]
        self.ledger.write(
            f"UPDATE transactions SET {what}_id = $2 WHERE id = $1",
            self.transaction(number),
            self.ledger.pick(table, to),
        )

    @rule(number=picks, how=st.sampled_from(["delete", "restore", "erase"]))
    def delete(self, number: int, how: str) -> None:
        statement = {
            "delete": "UPDATE transactions SET deleted_at = now() WHERE id = $1",
            "restore": "UPDATE transactions SET deleted_at = NULL WHERE id = $1",
            "erase": "DELETE FROM transactions WHERE id = $1",
        }[how]
        self.ledger.write(statement, self.transaction(number))

    @rule(number=picks, tags=st.none() | st.tuples(st.none() | picks, st.none() | picks))
    def split(self, number: int, tags: tuple[int | None, int | None] | None) -> None:
        if transaction := self.transaction(number):
            chosen = [None if t is None else self.ledger.pick("tags", t) for t in tags or ()]
            self.ledger.split(transaction, chosen)

    @rule(number=picks, tag=picks, on=st.booleans())
    def tag(self, number: int, tag: int, on: bool) -> None:  # noqa: FBT001  # Hypothesis names it
        statement = (
            "INSERT INTO transaction_tags (transaction_id, tag_id) VALUES ($1, $2)"
            if on
            else "DELETE FROM transaction_tags WHERE transaction_id = $1 AND tag_id = $2"
        )
        self.ledger.write(statement, self.transaction(number), self.ledger.pick("tags", tag))

    @rule(tag=picks, name=st.sampled_from(["Aa", "Zz", "Mm"]), gone=st.booleans())
    def rename_tag(self, tag: int, name: str, gone: bool) -> None:  # noqa: FBT001
        statement = "DELETE FROM tags WHERE id = $1" if gone and name == "Aa" else (
            "UPDATE tags SET name = $2 WHERE id = $1 AND $2 <> ''")  # fmt: skip
        values = [self.ledger.pick("tags", tag)] + ([name] if "$2" in statement else [])
        self.ledger.write(statement, *values)

    @rule(on=days, currency=currencies, amount=amounts)
    def begin_late(self, on: Any, currency: str, amount: Decimal) -> None:
        late = self.ledger.begin_late()
        self.ledger.book(on, currency=currency, amount=amount, connection=late)

    @rule(commits=st.booleans())
    def finish_late(self, commits: bool) -> None:  # noqa: FBT001
        self.ledger.finish_late(commits=commits)

    # What lines are counted and converted by.

    @rule(base=currencies, quote=currencies, on=days, rate=rates)
    def rate(self, **values: Any) -> None:
        self.ledger.rate(**values)

    @rule(number=picks)
    def delete_rate(self, number: int) -> None:
        on = self.ledger.pick("fx_rates", number, "date")
        self.ledger.write("DELETE FROM fx_rates WHERE date = $1", on)

    @rule(budget=picks, pick=picks,
          what=st.sampled_from(["category_id", "tag_id", "account_id", "service"]))  # fmt: skip
    def match(self, budget: int, pick: int, what: str) -> None:
        tables = {"category_id": "categories", "tag_id": "tags", "account_id": "accounts"}
        fits = self.ledger.pick(tables[what], pick) if what in tables else SERVICES[pick % 2]
        self.ledger.write(
            f"INSERT INTO budget_rules (id, budget_id, {what}) VALUES ($1, $2, $3)",
            self.ledger.id(), self.budget(budget), fits,
        )  # fmt: skip

    @rule(number=picks)
    def delete_rule(self, number: int) -> None:
        rule_id = self.ledger.pick("budget_rules", number)
        self.ledger.write("DELETE FROM budget_rules WHERE id = $1", rule_id)

    @rule(number=picks, under=st.none() | picks)
    def move_budget(self, number: int, under: int | None) -> None:
        above = None if under is None else self.budget(under)
        self.ledger.write(
            "UPDATE budgets SET parent_id = $2 WHERE id = $1", self.budget(number), above
        )

    @rule(number=picks, currency=currencies)
    def redenominate_budget(self, number: int, currency: str) -> None:
        self.ledger.write(
            "UPDATE budgets SET currency = $2 WHERE id = $1", self.budget(number), currency
        )

    @rule(currency=currencies, under=st.none() | picks)
    def add_budget(self, currency: str, under: int | None) -> None:
        self.ledger.add_budget(currency, None if under is None else self.budget(under))

    @rule(number=picks, starts=st.integers(21, 30))
    def add_period(self, number: int, starts: int) -> None:
        self.ledger.write(
            "INSERT INTO budget_periods (budget_id, starts_on, ends_on, amount) "
            "VALUES ($1, $2, $3, 50)",
            self.budget(number), day(starts), day(starts + 3),
        )  # fmt: skip

    @rule(number=picks)
    def delete_budget(self, number: int) -> None:
        self.ledger.write("DELETE FROM budgets WHERE id = $1", self.budget(number))

    # Accounts, balances, cloud costs, the organization.

    @rule(number=picks, on=days, balance=amounts, gone=st.booleans())
    def balance(self, number: int, on: Any, balance: Decimal, gone: bool) -> None:  # noqa: FBT001
        account = self.ledger.pick("accounts", number)
        if gone:
            self.ledger.write("DELETE FROM balance_snapshots WHERE account_id = $1 AND date <= $2",
                              account, on)  # fmt: skip
        else:
            self.ledger.write(
                "INSERT INTO balance_snapshots (account_id, date, balance) VALUES ($1, $2, $3) "
                "ON CONFLICT (organization_id, account_id, date) "
                "DO UPDATE SET balance = excluded.balance",
                account, on, balance,
            )  # fmt: skip

    @rule(
        number=picks,
        change=st.one_of(
            st.tuples(st.just("status"), st.sampled_from(["active", "closed"])),
            st.tuples(st.just("currency"), currencies),
            st.tuples(st.just("owner_id"), st.integers(0, 1)),
        ),
    )
    def change_account(self, number: int, change: tuple[str, Any]) -> None:
        column, value = change
        if column == "owner_id":
            value = self.ledger.people[value]
        self.ledger.write(
            f"UPDATE accounts SET {column} = $2 WHERE id = $1",
            self.ledger.pick("accounts", number), value,
        )  # fmt: skip

    @rule(on=days, account=picks, service=st.sampled_from(SERVICES), currency=currencies,
          cost=st.integers(-10_000, 10_000).map(lambda n: Decimal(n).scaleb(-7)))  # fmt: skip
    def cost(self, **values: Any) -> None:
        self.ledger.add_cost(values.pop("on"), **values)

    @rule(number=picks, gone=st.booleans())
    def change_cost(self, number: int, gone: bool) -> None:  # noqa: FBT001
        cost = self.ledger.pick("cloud_costs", number)
        statement = (
            "DELETE FROM cloud_costs WHERE id = $1"
            if gone
            else "UPDATE cloud_costs SET service_name = 'Queue', "
            "charge_period_start = charge_period_start - interval '1 day' WHERE id = $1"
        )
        self.ledger.write(statement, cost)

    @rule(currency=currencies)
    def change_base_currency(self, currency: str) -> None:
        self.ledger.write("UPDATE organizations SET base_currency = $1", currency)

    @rule(zone=st.sampled_from(ZONES))
    def pass_a_day(self, zone: str) -> None:
        self.ledger.write("UPDATE organizations SET time_zone = $1", zone)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    return compile_models(tmp_path_factory.mktemp("compiled"))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_an_incremental_refresh_leaves_what_a_full_one_makes(
    server_url: str, models: list[Model]
) -> None:
    LedgerMachine.server_url, LedgerMachine.models = server_url, models
    run_state_machine_as_test(
        LedgerMachine,
        settings=hypothesis_settings(
            max_examples=sized(4, long=200),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
