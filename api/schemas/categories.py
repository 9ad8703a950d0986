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
    Output,
    Patch,
    SearchText,
    ShortText,
    Versioned,
    absent,
    example,
)

Icon = Annotated[ShortText, Field(max_length=50)]


class CategoryCreate(Input):
    model_config = example(name="Food", colour="#2f7d32")

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


class DefaultChild(Output):
    name: str
    icon: str


class DefaultCategory(Output):
    """Its children have its colour."""

    name: str
    colour: str
    icon: str = Field(description="A name of the Lucide set.")
    children: list[DefaultChild]


class DefaultCategories(Output):
    items: list[DefaultCategory]
    next_cursor: None = None


class DefaultCategoriesCreated(Output):
    created: int
    items: list[CategoryOut] = Field(description="Those that were not there before.")
