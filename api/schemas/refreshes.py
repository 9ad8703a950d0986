from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.common import Output
from backend.jobs.models import RefreshStatus
from backend.jobs.refreshes import KnownRefresh


class RefreshOut(Output):
    id: UUID
    status: RefreshStatus
    generation: str | None = Field(description="What the refresh published.")
    reason: str | None = Field(description="Why it failed or was cancelled.")
    run_id: UUID = Field(description="The run that operators find in the Dagster UI.")
    created_at: datetime
    finished_at: datetime | None
    note: str | None = Field(None, description="Why this state may be out of date.")

    @classmethod
    def of(cls, known: KnownRefresh) -> RefreshOut:
        return cls.model_validate(known.refresh).model_copy(update={"note": known.note})
