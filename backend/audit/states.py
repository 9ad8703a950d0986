"""What a row holds, as JSON values: read off an object by Python, or off a table by PostgreSQL.

Both say the same. Left out is what says nothing about the object: its organization, and when and
by which transaction it was written. Numbers with decimals are strings in their column's scale;
instants are UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Numeric,
    Text,
    cast,
    func,
    inspect,
    literal,
)

from backend.db.base import Base

_LEFT_OUT = {"organization_id", "created_at", "updated_at", "changed_xid"}
_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'


def state_of(row: Base, *left_out: str) -> dict[str, Any]:
    """`left_out` names columns that no record may hold, such as a token's hash."""
    return {
        name: _scaled(getattr(row, name), column) for name, column in _columns(type(row), left_out)
    }


def stored_states(
    model: type[Base], *left_out: str, **parts: ColumnElement[Any]
) -> ColumnElement[dict[str, Any]]:
    """What `state_of` would say of each row of the model's table, and `parts` besides."""
    pairs: list[ColumnElement[Any]] = []
    for name, column in _columns(model, left_out):
        pairs += [literal(name, Text), _as_json(column)]
    for name, part in parts.items():
        pairs += [literal(name, Text), part]
    return func.jsonb_build_object(*pairs)


def as_json(state: Mapping[str, Any]) -> str:
    return json.dumps(state, default=_plain, ensure_ascii=False, allow_nan=False)


def _columns(
    model: type[Base], left_out: tuple[str, ...]
) -> Iterator[tuple[str, ColumnElement[Any]]]:
    for attribute in inspect(model).column_attrs:
        if attribute.key not in _LEFT_OUT and attribute.key not in left_out:
            yield attribute.key, attribute.columns[0]


def _scaled(value: object, column: ColumnElement[Any]) -> object:
    if isinstance(value, Decimal) and isinstance(column.type, Numeric):
        return format(value, f".{column.type.scale}f")
    return value


def _as_json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Numeric):
        return cast(column, Text)
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), _INSTANT)
    return column


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"An audit record cannot hold a {type(value).__name__}.")
