"""What the generated household looks like: its people, accounts, categories and budgets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from backend.ledger.models import AccountType, ConnectionStatus
from backend.scope import ApprovalLevel, Role
from backend.seeds.people import Person

ADMINISTRATOR = Person(
    "administrator@household.example",
    "Household Administrator (generated)",
    Role.OWNER,
    ApprovalLevel.EXECUTIVE,
)
ALEX = Person("alex@household.example", "Alex (generated)", Role.MEMBER)
BEA = Person("bea@household.example", "Bea (generated)", Role.MEMBER)
PEOPLE = (ADMINISTRATOR, ALEX, BEA)


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """`opening` is the balance at the end of the day before the ledger begins."""

    key: str
    name: str
    type: AccountType
    currency: str
    owner: Person
    opening: Decimal
    shared_with: Person | None = None
    credit_limit: Decimal | None = None
    institution: str = "Generated Bank"


ACCOUNTS = (
    PlannedAccount("alex", "Alex: current", AccountType.BANK, "EUR", ALEX, Decimal("2450.18")),
    PlannedAccount(
        "alex-card",
        "Alex: credit card",
        AccountType.CARD,
        "EUR",
        ALEX,
        Decimal("-212.40"),
        credit_limit=Decimal(3000),
    ),
    PlannedAccount("alex-savings", "Alex: savings", AccountType.BANK, "EUR", ALEX, Decimal(8000)),
    PlannedAccount("bea", "Bea: current", AccountType.BANK, "EUR", BEA, Decimal("3105.77")),
    PlannedAccount(
        "bea-fund",
        "Bea: fund",
        AccountType.INVESTMENT,
        "EUR",
        BEA,
        Decimal(12500),
        institution="Generated Fund House",
    ),
    PlannedAccount(
        "joint", "Joint", AccountType.BANK, "EUR", ALEX, Decimal("2320.05"), shared_with=BEA
    ),
    PlannedAccount(
        "francs", "Swiss francs", AccountType.BANK, "CHF", BEA, Decimal(1500), shared_with=ALEX
    ),
)
# Institution to the state of the connection that feeds its accounts.
INSTITUTIONS = {
    "Generated Bank": ConnectionStatus.ACTIVE,
    "Generated Fund House": ConnectionStatus.EXPIRED,
}


class PlannedCategory(NamedTuple):
    parent: str | None
    name: str
    colour: str
    icon: str


CATEGORIES = (
    PlannedCategory(None, "Income", "#2E7D32", "wallet"),
    PlannedCategory("Income", "Salary", "#2E7D32", "briefcase"),
    PlannedCategory("Income", "Fees", "#558B2F", "file-text"),
    PlannedCategory(None, "Home", "#6D4C41", "home"),
    PlannedCategory("Home", "Rent", "#6D4C41", "key"),
    PlannedCategory("Home", "Utilities", "#F9A825", "zap"),
    PlannedCategory("Home", "Household goods", "#8D6E63", "package"),
    PlannedCategory(None, "Food", "#EF6C00", "shopping-basket"),
    PlannedCategory("Food", "Groceries", "#EF6C00", "shopping-cart"),
    PlannedCategory("Food", "Eating out", "#D84315", "utensils"),
    PlannedCategory(None, "Mobility", "#1565C0", "train"),
    PlannedCategory("Mobility", "Public transport", "#1565C0", "train"),
    PlannedCategory("Mobility", "Bicycle", "#0277BD", "bike"),
    PlannedCategory(None, "Leisure", "#6A1B9A", "smile"),
    PlannedCategory("Leisure", "Subscriptions", "#6A1B9A", "repeat"),
    PlannedCategory("Leisure", "Clothing", "#AD1457", "shirt"),
    PlannedCategory("Leisure", "Travel", "#00838F", "plane"),
)


@dataclass(frozen=True, slots=True)
class PlannedBudget:
    """Monthly; `first_amount` holds in the ledger's first year and rises after."""

    name: str
    first_amount: Decimal
    owner: Person
    categories: tuple[str, ...]
    shared_with: Person | None = None


BUDGETS = (
    PlannedBudget("Home", Decimal(1900), ALEX, ("Rent", "Utilities", "Household goods"), BEA),
    PlannedBudget("Groceries", Decimal(850), ALEX, ("Groceries",), BEA),
    PlannedBudget("Eating out", Decimal(260), BEA, ("Eating out",), ALEX),
    PlannedBudget("Mobility", Decimal(150), ALEX, ("Public transport", "Bicycle")),
    PlannedBudget("Leisure", Decimal(220), BEA, ("Subscriptions", "Clothing")),
    PlannedBudget("Travel", Decimal(180), BEA, ("Travel",), ALEX),
)
