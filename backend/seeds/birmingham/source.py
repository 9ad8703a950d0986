"""The published purchase-card ledger, read with exact amounts; see data/birmingham/SOURCE.md."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from backend.seeds.birmingham.findings import findings

PURCHASE_CARDS = Path(__file__).parent.parent / "data" / "birmingham" / "purchase_cards.parquet"

# The years (by their first one, April to March) whose budgets are the spending of the year before.
BUDGETED_YEARS = (2015, 2016)


class SourceError(Exception):
    """The source file is not what the seed was written for."""


class Purchase(NamedTuple):
    """One row of the source, with nothing corrected. `amount` is negative for money that came back.

    `external_id` is the council's file and the row's place in it. `cost_centre_code` is empty where
    the source has none. `fiscal_year` is the year in which it begins.
    """

    external_id: str
    date: date
    fiscal_year: int
    vendor: str
    amount: Decimal
    currency: str
    vat_code: str | None
    category: str | None
    cost_centre_code: str
    cost_centre: str | None
    directorate: str
    card_id: str


class CostCentreBudget(NamedTuple):
    """The year before's net spending of a cost centre in a directorate, or 0 when that is negative.

    Spending without a cost centre has a budget as well, so that a tree holds the whole year.
    """

    fiscal_year: int
    directorate: str
    cost_centre_code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PurchaseCards:
    """`purchases` are in the order of the file, `cards` the busiest first.

    `categories` maps a name to its account code; `cost_centres` a code to its name, the most
    frequent one when the source has several.
    """

    purchases: list[Purchase]
    categories: dict[str, str]
    cost_centres: dict[str, str]
    vat_codes: list[str]
    cards: list[str]
    budgets: list[CostCentreBudget]
    findings: list[str]


def read_purchase_cards(path: Path = PURCHASE_CARDS) -> PurchaseCards:
    """Raise `SourceError` when an amount is not a whole number of pennies."""
    with closing(duckdb.connect()) as database:
        database.execute(_LOAD, [str(path)])

        def rows(query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            return database.execute(query, parameters).fetchall()

        [(inexact,)] = rows(
            "SELECT count(*) FROM source WHERE CAST(amount AS DOUBLE) <> published_amount"
        )
        if inexact:
            raise SourceError(f"{inexact} amounts of {path.name} are not whole pennies.")
        return PurchaseCards(
            purchases=[Purchase(*row) for row in rows(_PURCHASES)],
            categories=dict(rows(_CATEGORIES)),
            cost_centres=dict(rows(_COST_CENTRES)),
            vat_codes=[code for (code,) in rows(_VAT_CODES)],
            cards=[card for (card,) in rows(_CARDS)],
            budgets=[CostCentreBudget(*row) for row in rows(_BUDGETS, [list(BUDGETED_YEARS)])],
            findings=findings(rows),
        )


_LOAD = """
CREATE TABLE source AS
SELECT
    file_row_number,
    source_file || '#' || row_number() OVER (
        PARTITION BY source_file ORDER BY file_row_number) AS external_id,
    CAST(date AS DATE) AS date,
    -- April to March: three months earlier, the calendar year is the fiscal year.
    year(CAST(date AS DATE) - INTERVAL 3 MONTH) AS fiscal_year,
    vendor,
    CAST(amount AS DECIMAL(18, 2)) AS amount,
    amount AS published_amount,
    currency,
    vat_code,
    account_code,
    category,
    cost_centre_code,
    cost_centre,
    directorate,
    card_id,
    source_file
FROM read_parquet(?, file_row_number = true)
"""

_PURCHASES = """
SELECT external_id, date, fiscal_year, vendor, amount, currency, vat_code, category,
    coalesce(cost_centre_code, ''), cost_centre, directorate, card_id
FROM source ORDER BY file_row_number
"""

_CATEGORIES = """
SELECT DISTINCT category, account_code FROM source WHERE category IS NOT NULL ORDER BY ALL
"""

_COST_CENTRES = """
SELECT cost_centre_code, first(cost_centre ORDER BY purchases DESC, cost_centre)
FROM (
    SELECT cost_centre_code, cost_centre, count(*) AS purchases
    FROM source WHERE cost_centre_code IS NOT NULL GROUP BY ALL
)
GROUP BY cost_centre_code ORDER BY cost_centre_code
"""

_VAT_CODES = "SELECT DISTINCT vat_code FROM source WHERE vat_code IS NOT NULL ORDER BY ALL"

_CARDS = "SELECT card_id FROM source GROUP BY card_id ORDER BY count(*) DESC, card_id"

_BUDGETS = """
SELECT fiscal_year + 1, directorate, coalesce(cost_centre_code, ''), greatest(sum(amount), 0)
FROM source WHERE fiscal_year + 1 IN (SELECT unnest(?))
GROUP BY ALL ORDER BY ALL
"""
