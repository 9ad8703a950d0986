"""Queries inside other bodies."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from backend.analytics.stored_specs import require_whole
from backend.errors import FieldError, InvalidInput
from backend.warehouse.spec import QuerySpec


def _whole(value: Any, handle: ValidatorFunctionWrapHandler) -> QuerySpec:  # noqa: ANN401
    """Faults become Pydantic's own, so that they are told together with those of the request."""
    try:
        spec: QuerySpec = handle(value)
        require_whole(spec)
    except InvalidInput as error:
        faults = [_as_pydantic_has_it(fault, value) for fault in error.errors]
        raise ValidationError.from_exception_data("QuerySpec", faults) from None
    return spec


def _as_pydantic_has_it(fault: FieldError, value: Any) -> InitErrorDetails:  # noqa: ANN401
    return InitErrorDetails(
        type=PydanticCustomError("query", "{detail}", {"detail": fault.detail}),
        loc=tuple(int(s) if s.isdecimal() else s for s in fault.pointer.split("/")[1:]),
        input=value,
    )


Spec = Annotated[QuerySpec, WrapValidator(_whole)]
