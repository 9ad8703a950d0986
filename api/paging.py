"""Pages of lists: `{items, next_cursor}`, walked by opaque cursors.

A cursor holds the order of its list and the key of the last row seen. It is checked, not trusted: a
forged one can only name a place in a list that its bearer may read anyway.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from backend.db.keyset import Order, Window
from backend.errors import FieldError, InvalidInput

DEFAULT_LIMIT, MAX_LIMIT = 50, 500

Item = TypeVar("Item")
Row = TypeVar("Row")


class PageParams(BaseModel):
    """Query parameters of a list; an unknown one is refused, since it would filter nothing."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(
        None, max_length=4000, description="`next_cursor` of the page before."
    )

    def window(self, order: Order) -> Window:
        after = None if self.cursor is None else _decode(self.cursor, order)
        return Window(limit=self.limit, after=after)


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_cursor: str | None = Field(description="Null on the last page.")


def page(
    rows: Sequence[Row], order: Order, window: Window, render: Callable[[Row], Item]
) -> Page[Item]:
    """`rows` as `windowed` fetched them: one more than the limit when there is a next page."""
    shown = rows[: window.limit]
    more = len(rows) > window.limit
    return Page(
        items=[render(row) for row in shown],
        next_cursor=_encode(shown[-1], order) if more else None,
    )


def _encode(row: object, order: Order) -> str:
    key = [_plain(getattr(row, column.key)) for column in order.columns]
    content = json.dumps([_name(order), key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _decode(cursor: str, order: Order) -> tuple[Any, ...]:
    types = tuple(column.type.python_type for column in order.columns)
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        name, key = json.loads(content)
        after = TypeAdapter(tuple[types]).validate_json(json.dumps(key))  # type: ignore[valid-type]  # known at run time only
    except (ValueError, TypeError, ValidationError, RecursionError):
        raise _invalid() from None
    if name != _name(order):
        raise _invalid()
    return tuple(after)


def _invalid() -> InvalidInput:
    return InvalidInput(
        "The cursor is not valid.",
        errors=[FieldError("cursor", "Use the `next_cursor` of a page of this very list.")],
    )


def _name(order: Order) -> str:
    columns = ",".join(str(column) for column in order.columns)
    return f"-{columns}" if order.descending else columns


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
