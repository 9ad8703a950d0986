"""Queries inside other bodies."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from backend.analytics.stored_specs import require_whole, under
from backend.warehouse.spec import QuerySpec


def _whole(value: Any, handle: ValidatorFunctionWrapHandler) -> QuerySpec:  # noqa: ANN401
    with under("#/spec"):
        spec: QuerySpec = handle(value)
        require_whole(spec)
    return spec


Spec = Annotated[QuerySpec, WrapValidator(_whole)]  # of a field `spec`
