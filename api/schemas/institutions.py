from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from api.paging import PageParams
from api.schemas.common import Input, Name, Patch, SearchText, Versioned, absent, example

Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1, two letters.")
]


class InstitutionCreate(Input):
    model_config = example(name="Banque Exemple", country="FR")

    name: Name
    country: Country | None = None


class InstitutionPatch(Patch):
    name: Name = Field(default_factory=absent)
    country: Country | None = None


class InstitutionOut(Versioned):
    id: UUID
    name: str
    country: str | None
    created_at: datetime
    updated_at: datetime


class InstitutionListParams(PageParams):
    country: Country | None = None
    q: SearchText | None = Field(None, description="Part of the name.")
