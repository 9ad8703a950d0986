"""Reading a row in order to change it."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Select

Columns = TypeVarTuple("Columns")


def locked(statement: Select[*Columns]) -> Select[*Columns]:
    """`statement` with its rows locked, and read as they are now, even if the session knew them.

    Not against rows that refer to these: those need only that the key stays.
    """
    statement = statement.with_for_update(key_share=True)
    return statement.execution_options(populate_existing=True)
