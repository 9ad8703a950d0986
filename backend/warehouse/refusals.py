"""How the compiler says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Never

from backend.errors import FieldError, InvalidInput


def refuse(detail: str, pointer: str) -> Never:
    raise InvalidInput(detail, errors=[FieldError(pointer, detail)])


def refuse_repetition(names: Sequence[str], pointer: str) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        refuse(f"{min(repeated)!r} is asked for twice.", pointer)
