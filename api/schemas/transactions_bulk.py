"""Many transactions at once, each with its own result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError, WrapValidator

from api.schemas.common import EXAMPLE_ID, Input, Output, example
from api.schemas.transactions import TransactionCreate

MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that is no transaction: what Pydantic found in it."""

    errors: Sequence[Any]


def _keep(value: object, validate: Callable[[object], TransactionCreate]) -> object:
    """One bad row among good ones is that row's fault only."""
    try:
        return validate(value)
    except ValidationError as error:
        return Malformed(error.errors())


_Row = Annotated[TransactionCreate, WrapValidator(_keep)]


class TransactionBulk(Input):
    model_config = example(
        transactions=[
            {
                "account_id": EXAMPLE_ID,
                "date": "2025-03-10",
                "amount": "12.50",
                "description": "Lunch",
                "external_id": "line 1",
            }
        ]
    )

    transactions: Annotated[list[_Row], Field(min_length=1, max_length=MAX_ROWS)]

    def rows(self) -> Sequence[TransactionCreate | Malformed]:
        return cast("Sequence[TransactionCreate | Malformed]", self.transactions)


class RowFault(Output):
    pointer: str = Field(examples=["#/transactions/3/account_id"])
    detail: str


class RowOut(Output):
    index: int
    status: Literal["created", "duplicate", "failed"]
    id: UUID | None = Field(description="Its own, or that of the transaction it duplicates.")
    errors: list[RowFault]


class TransactionBulkOut(BaseModel):
    created: int
    duplicates: int
    failed: int
    results: list[RowOut] = Field(description="One for each row, in their order.")
