"""What is odd in the published ledger: imported as it is, and reported."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

Rows = Callable[[str], list[tuple[Any, ...]]]

# "Adults & Comms" and "Adult & Communities" are alike, "CYP&F" and "CYP&F SCHOOLS" are not.
_ALIKE = 0.78


def findings(rows: Rows) -> list[str]:
    """Sentences about the table `source` of `read_purchase_cards`; `rows` runs a query on it."""
    return [
        *_directorates(rows),
        *(
            sentence.format(*row)
            for query, sentence in _COUNTED
            for row in rows(query)
            if all(value is not None and value != 0 for value in row)
        ),
    ]


def alike(names: list[str]) -> list[list[str]]:
    """Groups of names that look like spellings of one another."""
    groups: list[list[str]] = []
    for name in names:
        for group in groups:
            if any(_similarity(name, other) >= _ALIKE for other in group):
                group.append(name)
                break
        else:
            groups.append([name])
    return [group for group in groups if len(group) > 1]


def _similarity(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def _directorates(rows: Rows) -> list[str]:
    purchases: dict[str, int] = dict(
        rows("SELECT directorate, count(*) FROM source GROUP BY ALL ORDER BY 2 DESC, 1")
    )
    return [
        "Near-duplicate directorates, kept apart as spelled: "
        + ", ".join(f"{name!r} ({purchases[name]:,} rows)" for name in group)
        for group in alike(list(purchases))
    ]


_COUNTED = (
    (
        "SELECT count(*) FROM source WHERE category IS NULL",
        "{:,} rows have no category and no account code: imported without a category.",
    ),
    (
        "SELECT count(*), sum(amount) FROM source WHERE cost_centre_code IS NULL",
        "{:,} rows ({:,} GBP net) have no cost centre: imported without its tag.",
    ),
    (
        "SELECT count(*) FROM source WHERE vat_code IS NULL",
        "{:,} rows have no VAT code: imported without its tag.",
    ),
    (
        "SELECT count(*), sum(amount) FROM source WHERE amount < 0",
        "{:,} rows are negative ({:,} GBP): imported as refunds of the positive amount.",
    ),
    (
        """SELECT count(*), sum(amount) FROM source
        WHERE amount < 0 AND vendor LIKE 'direct debit payment%'""",
        "{:,} of the refunds ({:,} GBP) are 'direct debit payment', like the card bill's: kept.",
    ),
    (
        """SELECT sum(copies - 1), count(*) FROM (
            SELECT * EXCLUDE (file_row_number, external_id), count(*) AS copies
            FROM source GROUP BY ALL HAVING count(*) > 1)""",
        "{:,} rows repeat another of their file in every column ({:,} such groups): all kept.",
    ),
    (
        """SELECT count(*), min(date), max(date) FROM source
        WHERE date NOT BETWEEN DATE '2014-04-01' AND DATE '2016-12-31'""",
        "{:,} rows are dated outside April 2014 to December 2016 ({} to {}): kept.",
    ),
    (
        """SELECT strftime(date, '%B %Y'), count(*) FROM source
        WHERE date BETWEEN DATE '2014-04-01' AND DATE '2016-12-31'
        GROUP BY ALL HAVING count(*) < 1000 ORDER BY min(date)""",
        "{} has only {:,} rows: the council's file of that month is missing.",
    ),
    (
        """SELECT cost_centre_code,
            string_agg(DISTINCT cost_centre, ' / ' ORDER BY cost_centre)
        FROM source GROUP BY ALL HAVING count(DISTINCT cost_centre) > 1 ORDER BY ALL""",
        "Cost centre {} has several names: {}; its tag bears the most frequent one.",
    ),
    (
        """SELECT count(*) FROM (
            SELECT cost_centre_code FROM source WHERE cost_centre_code IS NOT NULL
            GROUP BY ALL HAVING count(DISTINCT directorate) > 1)""",
        "{:,} cost-centre codes occur under more than one directorate: one budget in each.",
    ),
)
