"""A small generation made without dbt: tables, metadata and a manifest as dbt would write it."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import duckdb

from backend.warehouse.contents import Contents, DbtResults, Generation, Source
from backend.warehouse.generation import publish

_OWNED = {
    "organization_column": "organization_id",
    "owner_column": "owner_id",
    "account_column": "account_id",
}
_MONEY = {"agg": "sum", "unit": "currency", "currency_column": "currency"}
_BASE_MONEY = _MONEY | {"currency_column": "base_currency"}
_OVERLAPPING = {"over": {"except": ["tag_id"]}, "time": "sum"}
_LAST = {"over": "all", "time": "last"}

TABLES: dict[str, dict[str, str]] = {
    "dim_accounts": {
        "organization_id": "UUID",
        "account_id": "UUID",
        "owner_id": "UUID",
        "name": "VARCHAR",
    },
    "dim_tags": {
        "organization_id": "UUID",
        "tag_id": "UUID",
        "name": "VARCHAR",
        "colour": "VARCHAR",
    },
    "dim_budgets": {
        "organization_id": "UUID",
        "budget_id": "UUID",
        "owner_id": "UUID",
        "name": "VARCHAR",
        "parent_id": "UUID",
        "path": "VARCHAR",
        "amount": "DECIMAL(18,4)",
        "currency": "VARCHAR",
    },
    "dim_date": {"date": "DATE", "is_weekend": "BOOLEAN"},
    "fct_transactions": {
        "organization_id": "UUID",
        "transaction_id": "UUID",
        "account_id": "UUID",
        "owner_id": "UUID",
        "booking_date": "DATE",
        "vendor": "VARCHAR",
        "amount": "DECIMAL(18,4)",
        "currency": "VARCHAR",
        "tag_ids": "UUID[]",
        "budget_id": "UUID",
        "created_at": "TIMESTAMP WITH TIME ZONE",
    },
    "fct_daily_spending_by_tag": {
        "organization_id": "UUID",
        "owner_id": "UUID",
        "account_id": "UUID",
        "spending_date": "DATE",
        "tag_id": "UUID",
        "currency": "VARCHAR",
        "spent": "DECIMAL(18,4)",
        "base_spent": "DECIMAL(18,4)",
        "base_currency": "VARCHAR",
        "transactions": "BIGINT",
        "unconverted": "HUGEINT",
    },
    "fct_daily_balance_history": {
        "organization_id": "UUID",
        "owner_id": "UUID",
        "account_id": "UUID",
        "balance_date": "DATE",
        "balance": "DECIMAL(18,4)",
        "currency": "VARCHAR",
        "base_balance": "DECIMAL(18,4)",
        "base_currency": "VARCHAR",
    },
    "fct_monthly_trends": {
        "organization_id": "UUID",
        "owner_id": "UUID",
        "account_id": "UUID",
        "month": "DATE",
        "currency": "VARCHAR",
        "income": "DECIMAL(38,4)",
        "spending": "DECIMAL(38,4)",
        "net": "DECIMAL(38,4)",
        "base_income": "DECIMAL(38,4)",
        "base_spending": "DECIMAL(38,4)",
        "base_net": "DECIMAL(38,4)",
        "base_currency": "VARCHAR",
        "unconverted": "HUGEINT",
    },
}

META: dict[str, dict[str, Any]] = {
    "dim_accounts": {
        "group": "dimensions",
        "filters": {"account_id_column": "account_id"},
        "access": _OWNED,
        "measures": {"accounts": {"agg": "count"}},
    },
    "dim_tags": {
        "group": "dimensions",
        "filters": {"tag_id_column": "tag_id"},
        "access": {"organization_column": "organization_id", "everyone": True},
    },
    "dim_budgets": {
        "group": "dimensions",
        "access": {
            "organization_column": "organization_id",
            "owner_column": "owner_id",
            "budget_column": "budget_id",
            "restricted_columns": ["parent_id", "path"],
        },
        "measures": {"parents": {"agg": "count_distinct", "column": "parent_id"}},
    },
    "dim_date": {
        "group": "dimensions",
        "time_grain": "day",
        "filters": {"date_column": "date"},
        "access": {"public": True},
        "measures": {"days": {"agg": "count"}},
    },
    "fct_transactions": {
        "group": "facts",
        "time_grain": "day",
        "filters": {
            "date_column": "booking_date",
            "account_id_column": "account_id",
            "tag_id_column": "tag_ids",
        },
        "access": _OWNED,
        "joins": {
            "account": {"to": "dim_accounts", "on": "account_id"},
            "budget": {"to": "dim_budgets", "on": "budget_id"},
        },
        "measures": {
            "total": {**_MONEY, "column": "amount", "additive": {"over": "all", "time": "sum"}},
            "events": {"agg": "count"},
            "vendors": {"agg": "count_distinct", "column": "vendor"},
            "largest": {**_MONEY, "agg": "max", "column": "amount"},
            "average": {
                "ratio": ["total", "events"],
                "unit": "currency",
                "currency_column": "currency",
            },
        },
        "sample_questions": ["What did we spend?"],
    },
    "fct_daily_spending_by_tag": {
        "group": "aggregations",
        "time_grain": "day",
        "filters": {
            "date_column": "spending_date",
            "account_id_column": "account_id",
            "tag_id_column": "tag_id",
        },
        "access": _OWNED,
        "joins": {"tag": {"to": "dim_tags", "on": "tag_id"}},
        "measures": {
            "spent": {**_MONEY, "column": "spent", "additive": _OVERLAPPING},
            "base_spent": {**_BASE_MONEY, "column": "base_spent", "additive": _OVERLAPPING},
            "transactions": {"agg": "sum", "column": "transactions", "additive": _OVERLAPPING},
            "unconverted": {"agg": "sum", "column": "unconverted", "additive": _OVERLAPPING},
        },
    },
    "fct_daily_balance_history": {
        "group": "facts",
        "time_grain": "day",
        "filters": {"date_column": "balance_date", "account_id_column": "account_id"},
        "access": _OWNED,
        "joins": {"account": {"to": "dim_accounts", "on": "account_id"}},
        "measures": {
            "balance": {**_MONEY, "column": "balance", "additive": _LAST},
            "base_balance": {**_BASE_MONEY, "column": "base_balance", "additive": _LAST},
        },
    },
    "fct_monthly_trends": {
        "group": "aggregations",
        "time_grain": "month",
        "filters": {"date_column": "month", "account_id_column": "account_id"},
        "access": _OWNED,
        "measures": {
            "income": {**_MONEY, "column": "income"},
            "spending": {**_MONEY, "column": "spending"},
            "net": {**_MONEY, "column": "net"},
            "base_income": {**_BASE_MONEY, "column": "base_income"},
            "base_spending": {**_BASE_MONEY, "column": "base_spending"},
            "base_net": {**_BASE_MONEY, "column": "base_net"},
            "unconverted": {"agg": "sum", "column": "unconverted"},
            "savings_rate": {"ratio": ["net", "income"]},
        },
    },
}


def identity(number: int) -> UUID:
    return UUID(int=number)


ACME, OTHER = identity(1), identity(2)
ALICE, BOB, EVE = identity(11), identity(12), identity(13)  # Eve is of the other organization
ALICES, BOBS, EVES = identity(21), identity(22), identity(23)  # one account each
FOOD, TRAVEL, FOREIGN = identity(31), identity(32), identity(33)  # Foreign is Eve's tag
ROOT, TEAM, EVES_BUDGET = identity(41), identity(42), identity(43)

_ACCOUNTS = [(ACME, ALICES, ALICE), (ACME, BOBS, BOB), (OTHER, EVES, EVE)]
_TREND = (Decimal(300), Decimal(200), Decimal(100))
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


def sample_rows() -> dict[str, list[tuple[Any, ...]]]:
    """Three people with five transactions each; 1, 2, … 15 in EUR, the last of each in USD."""
    transactions = []
    number = 0
    for organization, account, owner in _ACCOUNTS:
        for month in range(1, 6):
            number += 1
            tag = FOOD if organization == ACME else FOREIGN
            transactions.append((
                organization,
                identity(100 + number),
                account,
                owner,
                date(2025, month, 10),
                f"Vendor {month % 3}",
                Decimal(number),
                "USD" if month == 5 else "EUR",
                [tag] if month % 2 else [],
                TEAM if owner == ALICE else None,
                NOON,
            ))  # fmt: skip
    return {
        "dim_accounts": [(o, a, p, f"Account {a.int}") for o, a, p in _ACCOUNTS],
        "dim_tags": [
            (ACME, FOOD, "Food", "#00ff00"),
            (ACME, TRAVEL, "Travel", None),
            (OTHER, FOREIGN, "Secret", None),
        ],
        "dim_budgets": [
            (ACME, ROOT, BOB, "Everything", None, "Everything", Decimal(1000), "EUR"),
            (ACME, TEAM, ALICE, "Team", ROOT, "Everything / Team", Decimal(100), "EUR"),
            (OTHER, EVES_BUDGET, EVE, "Eve", None, "Eve", Decimal(1), "EUR"),
        ],
        "dim_date": [(date(2025, 1, day), day in {4, 5}) for day in range(1, 8)],
        "fct_transactions": transactions,
        "fct_daily_spending_by_tag": [
            (
                organization,
                owner,
                account,
                date(2025, 1, 10),
                tag,
                "EUR",
                *[Decimal(5)] * 2,
                "EUR",
                1,
                0,
            )
            for organization, account, owner in _ACCOUNTS
            for tag in ((FOOD, TRAVEL, None) if organization == ACME else (FOREIGN,))
        ],
        "fct_daily_balance_history": [
            (organization, owner, account, date(2025, 1, day), *[Decimal(day * 100), "EUR"] * 2)
            for organization, account, owner in _ACCOUNTS
            for day in range(1, 4 if owner == BOB else 6)
        ],
        "fct_monthly_trends": [
            (organization, owner, account, date(2025, month, 1), "EUR", *[*_TREND] * 2, "EUR", 0)
            for organization, account, owner in _ACCOUNTS
            for month in (1, 2, 3)
        ],
    }


def rows_of(people: dict[UUID, UUID]) -> dict[str, list[tuple[Any, ...]]]:
    """The sample rows with other ids in place of some: those of people who exist elsewhere too."""
    return {
        table: [tuple(people.get(v, v) if isinstance(v, UUID) else v for v in row) for row in rows]
        for table, rows in sample_rows().items()
    }


def make_manifest() -> dict[str, Any]:
    """A fresh copy that a test may spoil."""
    nodes = {
        f"model.outlay.{name}": {
            "resource_type": "model",
            "name": name,
            "schema": "marts",
            "description": f"Hand-made {name}.",
            "meta": {},
            "config": {
                "meta": {
                    "dataset": True,
                    "friendly_name": name.title(),
                    **copy.deepcopy(META[name]),
                }
            },
            "columns": {
                c: {"description": f"Column {c}.", "data_type": type_}
                for c, type_ in columns.items()
            },
        }
        for name, columns in TABLES.items()
    }
    nodes["test.outlay.unique_tags"] = {
        "resource_type": "test",
        "name": "unique_dim_tags_tag_id",
        "attached_node": "model.outlay.dim_tags",
        "column_name": "tag_id",
        "test_metadata": {"name": "unique", "kwargs": {}},
        "config": {"severity": "ERROR"},
    }
    nodes["model.outlay.stg_transactions"] = {
        "resource_type": "model",
        "name": "stg_transactions",
        "schema": "staging",
        "description": "Booked movements.",
        "depends_on": {"nodes": ["source.outlay.raw.transactions"]},
    }
    nodes["model.outlay.fct_transactions"]["depends_on"] = {
        "nodes": ["model.outlay.stg_transactions", "model.outlay.stg_transactions"]
    }
    nodes["model.outlay.fct_monthly_trends"]["depends_on"] = {
        "nodes": ["model.outlay.fct_transactions", "model.outlay.stg_transactions"]
    }
    sources = {
        "source.outlay.raw.transactions": {
            "resource_type": "source",
            "source_name": "raw",
            "name": "transactions",
            "schema": "raw",
            "description": "Movements as they were read.",
        }
    }
    return {"nodes": nodes, "sources": sources, "unit_tests": {}}


def write_tables(path: Path, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA marts")
        for table, columns in TABLES.items():
            declared = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
            connection.execute(f"CREATE TABLE marts.{table} ({declared})")
            if rows.get(table):
                marks = ", ".join("?" for _ in columns)
                connection.executemany(f"INSERT INTO marts.{table} VALUES ({marks})", rows[table])


@cache
def _sample_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "outlay.duckdb")
        write_tables(path, sample_rows())
        return path.read_bytes()


def publish_hand_made(
    warehouse: Path,
    rows: dict[str, list[tuple[Any, ...]]] | None = None,
    *,
    now: datetime = NOON,
    statements: Sequence[str] = (),
) -> Generation:
    """Publish `rows` (the sample ones by default), changed by `statements`, as a refresh would."""
    build = warehouse / "build"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    if rows is None:
        (build / "outlay.duckdb").write_bytes(_sample_file())
    else:
        write_tables(build / "outlay.duckdb", rows)
    if statements:
        with duckdb.connect(build / "outlay.duckdb") as connection:
            for statement in statements:
                connection.execute(statement)
    (build / "manifest.json").write_text(json.dumps(make_manifest()))
    contents = Contents(
        app_version="test",
        source=Source(snapshot="1:1:", taken_at=now),
        organizations=2,
        tables={},
        dbt=DbtResults(passed=1, warned=0, failed=0),
        reconciliation=[],
    )
    return publish(build, contents, now=now)
