"""From keys that changed to the parts of the marts that are made anew.

There are two units, and a fact is made of one of them: the day of an account (all that is booked
on an account on a day, ledger and cloud alike), and the account, for balances. A unit is named here
when anything that its rows are made of differs from what the base was made of; where the base has
a line tells its own marts. What is named without need costs time, never a wrong figure.
"""

from __future__ import annotations

import duckdb

_RATE_DAYS = 7  # a rate counts for its own day and for this many after it

# Every line of the base with the day of the account that it lies on.
_LINES = """
CREATE VIEW keys.lines AS
SELECT organization_id, account_id, booking_date AS date, currency FROM base.marts.fct_transactions
UNION ALL
SELECT organization_id, account_id, cost_date, currency FROM base.marts.fct_cost_events
WHERE source = 'cloud'
"""


def _differing(columns: str, old: str, new: str) -> str:
    return (
        f"(SELECT {columns} FROM {old} EXCEPT SELECT {columns} FROM {new}) UNION "  # noqa: S608  # constants below
        f"(SELECT {columns} FROM {new} EXCEPT SELECT {columns} FROM {old})"
    )


_NEW_TAGS = "(SELECT organization_id, id AS tag_id, name FROM raw.tags)"
_NEW_ACCOUNTS = "(SELECT *, id AS account_id FROM raw.accounts)"
_NEW_BUDGETS = "(SELECT *, id AS budget_id FROM raw.budgets)"
_NEW_ORGANIZATIONS = "(SELECT *, id AS organization_id FROM raw.organizations)"
_OLD_ORGANIZATIONS = "base.intermediate.int_organizations"

# What the dimensions say otherwise than they did.
_DIFFERING = {
    "tags": _differing("organization_id, tag_id, name", "base.marts.dim_tags", _NEW_TAGS),
    "owners": _differing(
        "organization_id, account_id, owner_id", "base.marts.dim_accounts", _NEW_ACCOUNTS
    ),
    "accounts": _differing(
        "organization_id, account_id, owner_id, currency, status",
        "base.marts.dim_accounts",
        _NEW_ACCOUNTS,
    ),
    "budgets": _differing(
        "organization_id, budget_id, parent_id, currency", "base.marts.dim_budgets", _NEW_BUDGETS
    ),
    "base_currencies": _differing(
        "organization_id, base_currency", _OLD_ORGANIZATIONS, _NEW_ORGANIZATIONS
    ),
    # A day passes there too.
    "organizations": _differing(
        "organization_id, base_currency, snapshot_date", _OLD_ORGANIZATIONS, _NEW_ORGANIZATIONS
    ),
}

_WANTED = """
CREATE VIEW keys.wanted AS
SELECT id AS organization_id, base_currency AS currency FROM source.raw.organizations
UNION
SELECT organization_id, currency FROM source.raw.budgets
"""

# The days of accounts that the keys in a table touch.
_DAYS = {
    "bookings": "SELECT organization_id, account_id, date FROM keys.bookings",
    "transactions": """
        SELECT organization_id, account_id, booking_date FROM base.marts.fct_transactions
        WHERE (organization_id, transaction_id) IN (FROM keys.transactions)""",
    "cloud_costs": """
        SELECT organization_id, account_id, cost_date FROM base.marts.fct_cost_events
        WHERE source = 'cloud' AND (organization_id, cost_event_id) IN (FROM keys.cloud_costs)""",
    # Only what is converted into something: into the organization's currency or into a budget's.
    "rates": f"""
        SELECT l.organization_id, l.account_id, l.date FROM keys.lines l
        WHERE (l.organization_id, l.date) IN (
            SELECT organization_id, date + CAST(days.n AS INTEGER)
            FROM keys.rates, generate_series(0, {_RATE_DAYS}) AS days (n))
        AND (l.organization_id, l.currency) IN (
            SELECT c.organization_id, c.currency
            FROM (SELECT DISTINCT organization_id, currency FROM keys.lines) c
            JOIN keys.wanted w
                ON w.organization_id = c.organization_id AND w.currency <> c.currency)""",  # noqa: S608  # constants
    "tags": """
        SELECT organization_id, account_id, date FROM (
            SELECT organization_id, account_id, booking_date AS date, unnest(tag_ids) AS tag_id
            FROM base.marts.fct_transactions)
        WHERE (organization_id, tag_id) IN (SELECT organization_id, tag_id FROM keys.tags)""",
    "owners": """
        SELECT organization_id, account_id, date FROM keys.lines
        WHERE (organization_id, account_id) IN (
            SELECT organization_id, account_id FROM keys.owners)""",
    # What a line counts in beyond its own budget changes with a parent or a currency above it; each
    # budget above it has a row there, of the old tree.
    "budgets": """
        SELECT organization_id, account_id, booking_date
        FROM base.intermediate.int_budget_spending
        WHERE (organization_id, budget_id) IN (
            SELECT organization_id, budget_id FROM keys.budgets)""",
    "base_currencies": """
        SELECT organization_id, account_id, date FROM keys.lines
        WHERE organization_id IN (SELECT organization_id FROM keys.base_currencies)""",
}  # fmt: skip

# The accounts whose balances the keys in a table touch.
_ACCOUNTS = {
    "balances": "SELECT organization_id, account_id FROM keys.balances",
    "accounts": "SELECT organization_id, account_id FROM keys.accounts",
    "organizations": """
        SELECT organization_id, id FROM raw.accounts
        WHERE organization_id IN (SELECT organization_id FROM keys.organizations)""",
    "rates": """
        SELECT a.organization_id, a.id FROM raw.accounts a
        JOIN raw.organizations o ON o.id = a.organization_id AND o.base_currency <> a.currency
        WHERE a.organization_id IN (SELECT organization_id FROM keys.rates)""",
}  # fmt: skip


def find_changed_units(target: duckdb.DuckDBPyConnection) -> None:
    """Make `changed.days` and `changed.accounts` of `keys.*`, `base` and the small raw tables."""
    target.execute("CREATE SCHEMA changed")
    target.execute(_LINES)
    target.execute(_WANTED)
    for name, query in _DIFFERING.items():
        target.execute(f"CREATE TABLE keys.{name} AS {query}")
    _collect(target, "days", "organization_id UUID, account_id UUID, date DATE", _DAYS)
    _collect(target, "accounts", "organization_id UUID, account_id UUID", _ACCOUNTS)


def _collect(
    target: duckdb.DuckDBPyConnection, unit: str, columns: str, queries: dict[str, str]
) -> None:
    target.execute(f"CREATE TEMP TABLE found ({columns})")
    for keys, query in queries.items():
        if _count(target, f"keys.{keys}"):  # else the base need not be read for it
            target.execute(f"INSERT INTO found {query}")
    target.execute(f"CREATE TABLE changed.{unit} AS SELECT DISTINCT * FROM found ORDER BY ALL")  # noqa: S608  # a constant
    target.execute("DROP TABLE found")


def lost_organizations(target: duckdb.DuckDBPyConnection) -> int:
    """How many organizations the base has that the source has no more."""
    gone = (
        f"SELECT organization_id FROM {_OLD_ORGANIZATIONS} EXCEPT SELECT id FROM raw.organizations"  # noqa: S608  # constants
    )
    return _count(target, f"({gone})")


def lines_of_base(target: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Those on changed days, and all."""
    on_changed_days = _count(
        target,
        "(FROM keys.lines WHERE (organization_id, account_id, date) IN (FROM changed.days))",
    )
    return on_changed_days, _count(target, "keys.lines")


def _count(target: duckdb.DuckDBPyConnection, relation: str) -> int:
    (count,) = target.execute(f"SELECT count(*) FROM {relation}").fetchone() or (0,)  # noqa: S608  # constants above
    return int(count)
