from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.problems import ProblemError
from api.schemas.common import (
    UNQUOTED,
    Description,
    Flag,
    Input,
    Name,
    Patch,
    SearchText,
    Versioned,
    absent,
    example,
)
from api.schemas.specs import Spec
from backend.analytics.models import SavedQuery
from backend.analytics.stored_specs import SPEC_VERSION, SpecStatus, Standing, kept
from backend.warehouse.spec import MAX_CURSOR, MAX_OFFSET, PageSize

_SPEC: dict[str, Any] = {
    "dataset": "fct_transactions",
    "dimensions": [{"column": "booking_date", "grain": "month"}],
    "measures": ["spent"],
    "filters": [{"field": "booking_date", "op": "during", "value": "year_to_date"}],
}
_SHARED = "Everybody in the organization may run it, each over what they may see."


class SavedQueryCreate(Input):
    model_config = example(name="Spending by month", spec=_SPEC, shared=True)

    name: Name = Field(description="Unlike those of your other queries, whatever the case.")
    description: Description | None = None
    spec: Spec
    shared: Flag = Field(default=False, description=_SHARED)

    def columns(self) -> dict[str, Any]:
        return _columns({name: getattr(self, name) for name in type(self).model_fields})


class SavedQueryPatch(Patch):
    name: Name = Field(default_factory=absent)
    description: Description | None = None
    spec: Spec = Field(default_factory=absent)
    shared: Flag = Field(default_factory=absent, description=_SHARED)

    def columns(self) -> dict[str, Any]:
        return _columns(self.changes())


class SavedQueryOut(Versioned):
    id: UUID
    owner_id: UUID | None = Field(description="Null once its owner has left.")
    name: str
    description: str | None
    spec: dict[str, Any] = Field(description="As it was sent.", examples=[_SPEC])
    shared: bool
    status: SpecStatus = Field(
        description="`broken`: it cannot be run, see `problems`. `unchecked`: there is no "
        "generation yet."
    )
    problems: list[ProblemError] = Field(
        description="What of the query is not there any more, by name, and what is there instead."
    )
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: SavedQuery, standing: Standing) -> Self:
        same = ("id", "owner_id", "name", "description", "spec", "shared", "created_at")
        values: dict[str, Any] = {n: getattr(row, n) for n in (*same, "updated_at", "version")}
        problems = [ProblemError(pointer=p.pointer, detail=p.detail) for p in standing.problems]
        return cls(**values, status=standing.status, problems=problems)


class SavedQueryListParams(PageParams):
    q: SearchText | None = Field(None, description="Part of the name.")
    dataset: SearchText | None = Field(None, examples=["fct_transactions"])
    shared: bool | None = None


class RunIn(Input):
    """What is asked otherwise this once."""

    model_config = example(limit=100)

    limit: Annotated[PageSize, UNQUOTED] = Field(
        default_factory=absent, description="Rows of the page."
    )
    offset: Annotated[int, UNQUOTED] = Field(default_factory=absent, ge=0, le=MAX_OFFSET)
    cursor: str = Field(
        default_factory=absent,
        min_length=1,
        max_length=MAX_CURSOR,
        description="`next_cursor` of the page before.",
    )
    as_of: str = Field(
        default_factory=absent, description="An instant, or the id of a generation that is kept."
    )

    def given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    if "spec" in values:
        values |= {"spec": kept(values["spec"].query), "spec_version": SPEC_VERSION}
    return values
