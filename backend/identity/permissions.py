"""What a scope may write, as errors that say so."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.errors import FieldError, Forbidden, InvalidInput
from backend.identity.queries import is_member
from backend.scope import Scope


def require_ledger_writer(scope: Scope) -> None:
    if scope.read_only:
        raise Forbidden("This token may only read.")
    if not scope.writes_ledger:
        raise Forbidden(f"The role {scope.role} may not write here.")


def require_organization_writer(scope: Scope) -> None:
    """For what belongs to everybody: the organization's vocabulary."""
    require_ledger_writer(scope)
    if not scope.writes_organization:
        raise Forbidden(f"The role {scope.role} may not change what the whole organization uses.")


def require_owner(scope: Scope, owner_id: UUID) -> None:
    """The owner of a row, or someone who may write anybody's."""
    require_ledger_writer(scope)
    if owner_id != scope.user_id and not scope.writes_organization:
        raise Forbidden("Only the owner, or a manager of the organization, may change this.")


async def choose_owner(session: AsyncSession, scope: Scope, owner_id: UUID | None) -> UUID:
    """The owner of a new row: the caller, or whom a writer of the organization names."""
    if owner_id is None or owner_id == scope.user_id:
        return scope.user_id
    if not scope.writes_organization:
        raise Forbidden("Only a manager of the organization may name another owner.")
    if not await is_member(session, scope, owner_id):
        raise InvalidInput(
            "The owner is not known.",
            errors=[FieldError("#/owner_id", "There is no such member.")],
        )
    return owner_id


def require_administrator(scope: Scope) -> None:
    """For the organization itself, its members and their invitations."""
    if scope.read_only:
        raise Forbidden("This token may only read.")
    if scope.without_admin:
        raise Forbidden("This needs a login, or a token with the scope `admin`.")
    if not scope.administers:
        raise Forbidden("Only an owner or an admin of the organization may do this.")


def require_login(scope: Scope) -> None:
    """For what reaches beyond the organization and the life that an API token was given."""
    if scope.api_token_id is not None:
        raise Forbidden("Log in for this: an API token may not do it.")
