"""Checks of ours, beside the default ones of Schemathesis."""

from __future__ import annotations

from http import HTTPStatus

from schemathesis import Case, CheckContext, Response
from schemathesis.core.failures import Failure

# What `api/problems.py` says of a request that does not have the shape of the document.
_MISSHAPEN = "The request is not valid."


def shape_is_documented(context: CheckContext, response: Response, case: Case) -> None:
    """A request of the documented shape is refused for what it says, never for its shape.

    It sharpens `positive_data_acceptance`, which has to let 422 pass: that is also what rules
    between values answer, and references that lead nowhere.
    """
    if response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
        return
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    problem = response.json()
    if problem["detail"] == _MISSHAPEN:
        raise Failure(
            operation=case.operation.label,
            title="The document does not tell of a limit",
            message=str(problem["errors"]),
        )


def headers_are_documented(context: CheckContext, response: Response, case: Case) -> None:
    """Where something is, and which version of it: nobody looks for what is not documented."""
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is None:
        return
    told = {"location", "etag"} & response.headers.keys()
    missing = told - {name.lower() for name, _ in documented.headers.items()}
    if missing:
        raise Failure(
            operation=case.operation.label,
            title="Undocumented header",
            message=", ".join(sorted(missing)),
        )
