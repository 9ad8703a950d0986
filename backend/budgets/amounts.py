"""Amounts as callers give them: no finer than the currency of their budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from backend.errors import FieldError, InvalidInput
from backend.money import decimals_of, fits_currency


def refuse_too_fine(currency: str, given: Mapping[str, Any], names: Collection[str]) -> None:
    """`InvalidInput` that points at those of `given` among `names` that have too many decimals."""
    errors = [
        FieldError(f"#/{name}", f"An amount in {currency} has {decimals_of(currency)}.")
        for name in given
        if name in names and given[name] is not None and not fits_currency(given[name], currency)
    ]
    if errors:
        raise InvalidInput("An amount is finer than its currency.", errors=errors)
