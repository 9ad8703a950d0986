from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from api.paging import PageParams
from api.schemas.common import Input, Name, Output, example
from api.schemas.specs import Spec
from backend.analytics.models import Export, ExportStatus
from backend.errors import FieldError, InvalidInput
from backend.warehouse.formats import Format
from backend.warehouse.spec import QuerySpec

MAX_FILE_NAME = 150

_EXAMPLE: dict[str, Any] = {
    "dataset": "fct_transactions",
    "fields": ["booking_date", "vendor", "amount", "currency"],
    "filters": [{"field": "booking_date", "op": "during", "value": "last_month"}],
}


_STREAMS = [f.value for f in Format if f.is_stream]


def _streamed(format_: Format) -> Format:
    if not format_.is_stream:
        raise ValueError(f"Pages of {format_} are no files. Known: {', '.join(_STREAMS)}")
    return format_


ExportFormat = Annotated[
    Format,
    AfterValidator(_streamed),
    WithJsonSchema({"type": "string", "enum": _STREAMS}),
]


FileName = Annotated[
    Name, StringConstraints(max_length=MAX_FILE_NAME, pattern=r"^[^/\\\x00-\x1f\x7f]*$")
]


class ExportCreate(Input):
    """Either a query or the id of a saved one. Without a `limit` of its own it has all rows."""

    model_config = example(spec=_EXAMPLE, format="csv", file_name="last month")

    spec: Spec | None = None
    saved_query_id: UUID | None = None
    format: ExportFormat
    file_name: FileName | None = Field(
        None, description="By default that of the dataset. The extension is added."
    )

    @property
    def query(self) -> QuerySpec | UUID:
        """What was sent, or the id of what was saved; InvalidInput for both and for neither."""
        if self.spec is not None and self.saved_query_id is None:
            return self.spec.query
        if self.saved_query_id is not None and self.spec is None:
            return self.saved_query_id
        raise InvalidInput(
            "An export is of one query.",
            errors=[FieldError("#/spec", "Send either `spec` or `saved_query_id`.")],
        )


class Progress(Output):
    rows_written: int
    rows_total: int | None = Field(description="Null until the rows are counted.")
    bytes: int


class ExportOut(Output):
    id: UUID
    status: ExportStatus = Field(description="`expired`: it had succeeded, and its file is gone.")
    format: ExportFormat
    file_name: str
    spec: dict[str, Any] = Field(description="As it was sent.", examples=[_EXAMPLE])
    progress: Progress
    generation: str | None = Field(description="What it is made from.")
    as_of: datetime | None = Field(description="When the source of that was read.")
    reason: str | None = Field(description="Why it failed or was cancelled.")
    note: str | None = Field(description="Why this state may be out of date.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When its file will be removed.")
    download_url: str | None = Field(
        description="A link on this host that works for some minutes without a token."
    )

    @classmethod
    def of(
        cls,
        row: Export,
        status: ExportStatus,
        *,
        note: str | None = None,
        download_url: str | None = None,
    ) -> Self:
        same = ("id", "format", "file_name", "spec", "generation", "as_of", "reason", "created_at")
        names = (*same, "started_at", "finished_at", "expires_at")
        return cls(
            **{name: getattr(row, name) for name in names},
            status=status,
            progress=Progress.model_validate(row),
            note=note,
            download_url=download_url,
        )


class ExportListParams(PageParams):
    status: ExportStatus | None = None
