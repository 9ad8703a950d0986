from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.common import Flag, Input, Output, example
from backend.jobs.models import RefreshStatus
from backend.jobs.refreshes import KnownRefresh


class RefreshCreate(Input):
    model_config = Input.model_config | example(full=True)

    full: Flag = Field(
        False, description="Build everything anew, instead of taking over what has not changed."
    )


class RefreshProgress(Output):
    steps_done: int
    steps_total: int
    step: str | None = Field(description="What is being done now.")
    started_at: datetime | None = Field(description="Null while the run waits for its turn.")


class RefreshOut(Output):
    id: UUID
    status: RefreshStatus
    generation: str | None = Field(description="What the refresh published.")
    reason: str | None = Field(description="Why it failed or was cancelled.")
    run_id: UUID = Field(description="The run that operators find in the Dagster UI.")
    created_at: datetime
    finished_at: datetime | None
    progress: RefreshProgress | None = Field(
        None, description="Null once it has ended, and while Dagster does not answer."
    )
    note: str | None = Field(None, description="Why this state may be out of date.")

    @classmethod
    def of(cls, known: KnownRefresh) -> RefreshOut:
        progress = known.progress and RefreshProgress.model_validate(known.progress)
        return cls.model_validate(known.refresh).model_copy(
            update={"progress": None if known.is_finished else progress, "note": known.note}
        )
