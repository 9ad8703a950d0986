"""What a peer has to be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from bench.load import Call

CATEGORIES = "SELECT CAST(category_id AS VARCHAR) AS category_id, name FROM marts.dim_categories"


def events(date_type: str = "DATE") -> str:
    """The cost events with ids as text. Amounts are floats: neither peer has exact ones in JSON."""
    return f"""
    SELECT
        CAST(organization_id AS VARCHAR) AS organization_id,
        CAST(cost_event_id AS VARCHAR) AS cost_event_id,
        source,
        CAST(transaction_id AS VARCHAR) AS transaction_id,
        CAST(owner_id AS VARCHAR) AS owner_id,
        CAST(account_id AS VARCHAR) AS account_id,
        CAST(cost_date AS {date_type}) AS cost_date,
        CAST(category_id AS VARCHAR) AS category_id,
        CAST(budget_id AS VARCHAR) AS budget_id,
        vendor,
        service_name,
        region,
        CAST(amount AS DOUBLE) AS amount,
        currency,
        CAST(base_amount AS DOUBLE) AS base_amount,
        base_currency,
        description
    FROM marts.fct_cost_events
    """


class Peer(Protocol):
    """The forms of a question are ways to ask it; the benchmark takes the fastest of them.

    Rows answer with the columns of the dataset, groups with `month`, `name`, `currency`,
    `total_cost` and `events`.
    """

    name: str
    version: str
    ready: str  # a path that answers 200 once it serves

    def prepare(self, world: Path, folder: Path) -> None:
        """Write the data of the world's file into `folder`."""

    def command(self, programs: Path, folder: Path, port: int) -> Sequence[str | Path]: ...

    def rows(self, url: str, person: UUID) -> Mapping[str, Call]: ...

    def groups(self, url: str, person: UUID) -> Mapping[str, Call]: ...


def records(answer: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # JSON
    """Rows as objects, whichever of the shapes they came in."""
    found = answer["rows"] if isinstance(answer, dict) else answer
    if found and isinstance(found[0], list):
        return [dict(zip(answer["columns"], row, strict=True)) for row in found]
    return list(found)
