"""What PostgreSQL refused, in words a caller can act on; its own words and any SQL stay inside."""

from __future__ import annotations

from asyncpg.exceptions import (
    DataError,
    ForeignKeyViolationError,
    IntegrityConstraintViolationError,
    InterfaceError,
    PostgresError,
    RestrictViolationError,
    UniqueViolationError,
)
from sqlalchemy.exc import DBAPIError

from backend.db.outage import is_outage, unavailable
from backend.errors import Conflict, FieldError, InvalidInput, OutlayError, Unavailable

_TAKEN = {
    "uq_tags_organization_id_name": "A tag of this name exists already.",
    "uq_categories_organization_id_parent_id_name": (
        "A category of this name exists already in this place."
    ),
    "uq_institutions_organization_id_name": "An institution of this name exists already.",
    "uq_accounts_organization_id_external_id": "An account with this external id exists already.",
    "uq_transactions_external_id": (
        "A transaction with this external id exists already on this account."
    ),
    "uq_budget_reservations_organization_id_transaction_id": (
        "The transaction settles another reservation."
    ),
    "uq_saved_queries_name": "You have a saved query of this name already.",
    "uq_users_email": "A user with this e-mail address exists already.",
}

_BROKEN_RULES = {
    "ck_budgets_no_cycle": FieldError("#/parent_id", "A budget cannot be placed under itself."),
    "ck_budgets_dates_in_order": FieldError("#/ends_on", "Must not lie before `starts_on`."),
    "ck_budgets_thresholds_in_order": FieldError(
        "#/critical_threshold", "Must not be below the warning."
    ),
    "ck_categories_not_own_parent": FieldError(
        "#/parent_id", "A category cannot be placed under itself."
    ),
    "ck_transactions_amount_positive": FieldError("#/amount", "Must be greater than 0."),
    "ck_transactions_counter_account_of_transfer": FieldError(
        "#/counter_account_id", "Only a transfer has a counter account."
    ),
}

# Two transactions got into each other's way; the same request will pass.
_CONTENTION = ("40001", "40P01", "55P03")


def translate(error: Exception, *, method: str) -> OutlayError | None:
    """None for what no caller can have caused: that is a fault of ours."""
    if is_outage(error):
        return unavailable()
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    if isinstance(cause, IntegrityConstraintViolationError):
        return _broken_constraint(cause, method)
    # Out of range, or text that cannot be stored; the driver notices some of it by itself.
    if isinstance(cause, DataError) or (isinstance(cause, InterfaceError) and _is_value(cause)):
        return InvalidInput("A value cannot be stored: it is too large, or not valid text.")
    if isinstance(cause, PostgresError) and cause.sqlstate in _CONTENTION:
        return Unavailable("Somebody else changed the same thing.", retry_after_seconds=1)
    return None


def _broken_constraint(cause: IntegrityConstraintViolationError, method: str) -> OutlayError:
    name = cause.constraint_name or ""
    if isinstance(cause, UniqueViolationError):
        return Conflict(_TAKEN.get(name, "Something with the same key exists already."))
    if isinstance(cause, ForeignKeyViolationError | RestrictViolationError):
        return _broken_reference(cause, method)
    fault = _BROKEN_RULES.get(name)
    return InvalidInput(
        "The values do not fit together." if fault is None else fault.detail,
        errors=() if fault is None else [fault],
    )


def _is_value(cause: Exception) -> bool:
    return isinstance(cause, ValueError)


def _broken_reference(cause: PostgresError, method: str) -> OutlayError:
    if method == "DELETE":
        users = (cause.table_name or "something").replace("_", " ")
        return Conflict(f"It is still used by {users}.")
    return InvalidInput("The request refers to something that does not exist.")
