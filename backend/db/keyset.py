"""Keyset pages: each starts after the last row of the one before, whatever is written then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list; `columns` together are unique, so that a page has one successor."""

    columns: Sequence[InstrumentedAttribute[Any]]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Rows after the key `after` (one value per column of the order), at most `limit` of them."""

    limit: int
    after: tuple[Any, ...] | None = None


def windowed(statement: Select[*Columns], order: Order, window: Window) -> Select[*Columns]:
    """`statement` cut to the window, with one row more that tells whether a next page exists."""
    if window.after is not None:
        keys, after = tuple_(*order.columns), tuple_(*window.after)
        statement = statement.where(keys < after if order.descending else keys > after)
    directions = [c.desc() if order.descending else c.asc() for c in order.columns]
    return statement.order_by(*directions).limit(window.limit + 1)
