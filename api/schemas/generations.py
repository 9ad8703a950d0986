from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer

from api.schemas.analytics import Parameters
from backend.warehouse.contents import Generation, Kind
from backend.warehouse.history import Retained
from backend.warehouse.reconcile import Comparison

# To the last digit: what an amount is compared by is not rounded, and never written with an E.
Exact = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str)]


class GenerationOut(BaseModel):
    id: str
    created_at: datetime
    as_of: datetime = Field(description="When the source was read.")
    current: bool = Field(description="Whether it is what is served now.")
    kind: Kind
    reason: str | None = Field(description="Why it is a full one, or what it goes on from.")
    tests_passed: int
    rows: dict[str, int] | None = Field(
        description=(
            "Your organization's, by dataset; null if you do not see all of it, and where the "
            "generation does not tell."
        )
    )

    @classmethod
    def of(cls, retained: Retained) -> GenerationOut:
        generation = retained.description
        return cls(
            id=generation.id,
            created_at=generation.created_at.astimezone(UTC),
            as_of=generation.source.taken_at.astimezone(UTC),
            current=retained.is_current,
            kind=generation.kind,
            reason=generation.reason,
            tests_passed=generation.dbt.passed,
            rows=None if retained.rows is None else dict(retained.rows),
        )


class ReconciliationParameters(Parameters):
    as_of: str | None = Field(
        None,
        description="An instant, or the id of a generation that is still kept.",
        examples=["2025-03-10T12:00:00Z"],
    )


class Reconciliation(BaseModel):
    dataset: str
    measure: str | None = Field(description="Null where only rows are compared.")
    currency: str | None
    source_rows: int = Field(description="By PostgreSQL.")
    mart_rows: int = Field(description="With a value of the measure.")
    source_amount: Exact | None
    mart_amount: Exact | None
    row_difference: int = Field(description="Always 0: otherwise nothing would be published.")
    difference: Exact | None = Field(description="Of the amounts; likewise.")

    @classmethod
    def of(cls, comparison: Comparison) -> Reconciliation:
        dataset, _, measure = comparison.fact.partition(".")
        source, mart = comparison.source_amount, comparison.mart_amount
        return cls(
            dataset=dataset,
            measure=measure or None,
            currency=comparison.currency,
            source_rows=comparison.source_rows,
            mart_rows=comparison.mart_rows,
            source_amount=source,
            mart_amount=mart,
            row_difference=comparison.mart_rows - comparison.source_rows,
            difference=None if source is None or mart is None else mart - source,
        )


class ReconciliationAnswer(BaseModel):
    items: list[Reconciliation]
    generation: str
    as_of: datetime = Field(description="When PostgreSQL computed its side, in one snapshot.")

    @classmethod
    def of(cls, generation: Generation, found: list[Comparison]) -> ReconciliationAnswer:
        return cls(
            items=[Reconciliation.of(comparison) for comparison in found],
            generation=generation.id,
            as_of=generation.source.taken_at.astimezone(UTC),
        )
