from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, field_validator

from api.schemas.common import Output


class ReceiptParams(BaseModel):  # the route refuses unknown ones, and knows its own
    filename: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        None,
        description="What a download is called; folders and what systems dislike are taken out.",
        examples=["invoice.pdf"],
    )


class ReceiptOut(Output):
    id: UUID
    transaction_id: UUID
    filename: str = Field(validation_alias="file_name")
    content_type: str
    size: int = Field(description="In bytes.")
    sha256: str = Field(description="In hexadecimal.")
    created_by: UUID | None
    created_at: datetime

    @field_validator("sha256", mode="before")
    @classmethod
    def _in_hexadecimal(cls, value: bytes) -> str:
        return value.hex()
