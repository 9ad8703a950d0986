"""What compiling a query gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.warehouse.column_types import ColumnType


@dataclass(frozen=True, slots=True)
class OutputColumn:
    name: str
    type: ColumnType
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """One SELECT with named parameters (``$name``); its columns begin with `columns`, in order.

    `keys` are those columns of it, some of them hidden behind `columns`, whose values in the last
    row of a page say where the next one begins; they are there if paging asked for them. `joined`
    names the joins that it makes.
    """

    sql: str
    parameters: Mapping[str, object]
    columns: tuple[OutputColumn, ...]
    keys: tuple[OutputColumn, ...] = ()
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paging:
    """Which of the rows: all of them without a `limit`; `after` holds values of `Compiled.keys`."""

    limit: int | None = None
    offset: int = 0
    after: tuple[object, ...] | None = None
    keyed: bool = False
