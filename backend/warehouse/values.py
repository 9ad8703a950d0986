"""Values of a filter, read as the type of the column that they are compared with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from uuid import UUID

from backend.errors import FieldError, InvalidInput
from backend.warehouse.column_types import ColumnType, Kind

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_MAX_INTEGER = 2**63 - 1
_MAX_DECIMALS = 12
_MAX_WHOLE_DIGITS = 26  # together the 38 digits of a DuckDB decimal
_SMALLEST = Decimal(1).scaleb(-_MAX_DECIMALS)
_EXACT = Context(prec=_MAX_WHOLE_DIGITS + _MAX_DECIMALS)  # Python's own has fewer digits
_MAX_TEXT = 1_000


def read_value(value: object, type_: ColumnType, pointer: str) -> object:
    """`value` as what DuckDB binds for a column of `type_`; raises InvalidInput."""
    try:
        return _READERS[type_.kind](value)
    except (ValueError, TypeError, ArithmeticError) as error:
        way_out = "; is_null finds what is missing" if value is None else ""
        raise InvalidInput(
            f"A value for a column of type {type_.name} is not valid.",
            errors=[FieldError(pointer, f"{error}{way_out}")],
        ) from None


def read_date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    with suppress(ValueError):
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    raise ValueError("must be a date such as 2025-01-31")


def read_uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    if len(value) > _MAX_TEXT:
        raise ValueError(f"must be at most {_MAX_TEXT} characters")
    if "\x00" in value or _has_surrogates(value):
        raise ValueError("must be valid Unicode without NUL")
    return value


def _has_surrogates(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _read_timestamp(value: object) -> datetime:
    """Without an offset it is taken as UTC."""
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise ValueError("must be an instant such as 2025-01-31T12:00:00Z")


def _read_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("must be a whole number")
    if abs(value) > _MAX_INTEGER:
        raise ValueError(f"must be between -{_MAX_INTEGER} and {_MAX_INTEGER}")
    return value


def _read_decimal(value: object) -> Decimal:
    """From a decimal, a whole number or a string; a binary float is not exact and is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError('must be a decimal in a string, such as "12.50"')
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError('must be a decimal in a string, such as "12.50"') from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    if number.adjusted() >= _MAX_WHOLE_DIGITS or number != _EXACT.quantize(number, _SMALLEST):
        raise ValueError(
            f"must have at most {_MAX_WHOLE_DIGITS} digits before the point "
            f"and {_MAX_DECIMALS} after it"
        )
    return number


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError("must be a number")
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return float(value)


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


_READERS: dict[Kind, Callable[[object], object]] = {
    Kind.UUID: read_uuid,
    Kind.TEXT: _read_text,
    Kind.DATE: read_date,
    Kind.TIMESTAMP: _read_timestamp,
    Kind.INTEGER: _read_integer,
    Kind.DECIMAL: _read_decimal,
    Kind.NUMBER: _read_number,
    Kind.BOOLEAN: _read_boolean,
}
