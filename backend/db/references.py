"""Ids that a request names: one that is not the caller's is the same as one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from backend.errors import FieldError, InvalidInput

Reference = tuple[str, UUID]  # JSON pointer of the field, and the id in it


def among(column: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> ColumnElement[bool]:
    """As `column.in_(ids)`, in one parameter however many there are."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


async def visible_ids(
    session: AsyncSession,
    column: InstrumentedAttribute[UUID],
    visible: ColumnElement[bool],
    ids: Iterable[UUID | None],
) -> frozenset[UUID]:
    """Those of `ids` that are among the visible values of `column`; nothing is asked for none."""
    wanted = {identity for identity in ids if identity is not None}
    if not wanted:
        return frozenset()
    return frozenset(await session.scalars(select(column).where(visible, among(column, wanted))))


async def unknown_references(
    session: AsyncSession,
    column: InstrumentedAttribute[UUID],
    visible: ColumnElement[bool],
    references: Iterable[Reference],
    noun: str,
) -> list[FieldError]:
    """A fault for each reference that is not among the visible values of `column`."""
    references = list(references)
    known = await visible_ids(session, column, visible, (identity for _, identity in references))
    return [
        FieldError(pointer, f"There is no such {noun}.")
        for pointer, identity in references
        if identity not in known
    ]


def refuse(errors: Iterable[FieldError]) -> None:
    errors = list(errors)
    if errors:
        raise InvalidInput("The request refers to something that does not exist.", errors=errors)


def references(pointer: str, row: Mapping[str, Any], *fields: str) -> list[Reference]:
    """The ids in `fields` of `row`, under the JSON pointer of the row."""
    return [(f"{pointer}/{f}", row[f]) for f in fields if row.get(f) is not None]
