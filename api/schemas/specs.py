"""Queries inside other bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetPydanticSchema, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from backend.analytics.stored_specs import require_whole, under
from backend.errors import InvalidInput
from backend.warehouse.spec import QuerySpec


@dataclass(frozen=True, slots=True)
class SentSpec:
    """A query of the right shape; what else is wrong with it is told when it is asked for.

    Raised while the body is read, that would hide what is missing from the rest of the request.
    """

    _read: Callable[[], QuerySpec]

    @property
    def query(self) -> QuerySpec:
        """Raises InvalidInput, with pointers below `#/spec`."""
        with under("#/spec"):
            spec = self._read()
            require_whole(spec)
        return spec


def _sent(value: Any, handle: ValidatorFunctionWrapHandler) -> SentSpec:  # noqa: ANN401
    try:
        spec: QuerySpec = handle(value)
    except InvalidInput as error:
        refusal = error

        def refuse() -> QuerySpec:
            raise refusal

        return SentSpec(refuse)
    return SentSpec(lambda: spec)


def _schema(_: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:  # noqa: ANN401
    return core_schema.no_info_wrap_validator_function(_sent, handler(QuerySpec))


Spec = Annotated[SentSpec, GetPydanticSchema(_schema)]  # of a field `spec`
