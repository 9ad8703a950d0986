from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import (
    Colour,
    Input,
    LongText,
    Name,
    Patch,
    SearchText,
    ShortText,
    Versioned,
    absent,
)

Icon = Annotated[ShortText, Field(max_length=50)]


class CategoryCreate(Input):
    name: Name
    parent_id: UUID | None = None
    description: LongText | None = None
    colour: Colour | None = None
    icon: Icon | None = None


class CategoryPatch(Patch):
    name: Name = Field(default_factory=absent)
    parent_id: UUID | None = None
    description: LongText | None = None
    colour: Colour | None = None
    icon: Icon | None = None


class CategoryOut(Versioned):
    id: UUID
    parent_id: UUID | None
    name: str
    description: str | None
    colour: str | None
    icon: str | None
    created_at: datetime
    updated_at: datetime


class CategoryListParams(PageParams):
    parent_id: UUID | None = Field(None, description="Only the children of this category.")
    q: SearchText | None = Field(None, description="Part of the name.")
