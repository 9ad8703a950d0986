"""What `generation.json` says about a generation."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["full", "incremental"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Source(_Frozen):
    """The PostgreSQL snapshot of everything that was read, as `pg_current_snapshot()` names it.

    A restore changes the system identifier or the timeline; None where the server does not tell.
    `storage` names the tables' storage, which a restore into the same server changes too. `written`
    stands for PostgreSQL's counters of written rows just before the snapshot: while they are the
    same, there is nothing newer than this generation.
    """

    snapshot: str
    taken_at: datetime
    system_identifier: str | None = None
    timeline: int | None = None
    storage: str | None = None
    written: str | None = None


class DbtResults(_Frozen):
    """Counts of data tests and unit tests."""

    passed: int
    warned: int
    failed: int


class Reconciled(_Frozen):
    """One figure over all organizations, in one currency; a dimension has rows alone.

    `fact` is the mart, with the measure after a dot.
    """

    fact: str
    currency: str | None
    source_rows: int
    mart_rows: int
    source_amount: Decimal | None
    mart_amount: Decimal | None


class Contents(_Frozen):
    """`code` names all that makes a generation what it is but the source: only of the same code can
    the next one go on from it. `reason` says why it was built in full, or on what it was built.
    `changed` counts what an incremental refresh made anew; `merged` adds up the lines of all since
    the last full one, which lie behind those that are stored in order.
    """

    app_version: str
    code: str | None = None
    kind: Kind = "full"
    reason: str | None = None
    changed: dict[str, int] | None = None
    merged: int = 0
    source: Source
    organizations: int
    tables: dict[str, int]  # rows by mart
    dbt: DbtResults
    reconciliation: list[Reconciled]


class Generation(Contents):
    """`sha256` is that of `outlay.duckdb`. Ids sort in the order of publication."""

    id: str
    created_at: datetime
    sha256: str
