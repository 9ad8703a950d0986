from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.paging import PageParams
from api.schemas.common import Colour, Input, Name, Patch, SearchText, Versioned, absent, example


class TagCreate(Input):
    model_config = example(name="Holiday", colour="#1565c0")

    name: Name
    colour: Colour | None = None


class TagPatch(Patch):
    name: Name = Field(default_factory=absent)
    colour: Colour | None = None


class TagOut(Versioned):
    id: UUID
    name: str
    colour: str | None
    created_at: datetime
    updated_at: datetime


class TagListParams(PageParams):
    q: SearchText | None = Field(None, description="Part of the name.")
