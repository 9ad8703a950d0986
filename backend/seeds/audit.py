"""The audit of what a seed has written: the books open with it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, cast, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.record import record_many
from backend.audit.states import stored_states
from backend.budgets.models import Budget
from backend.db.base import TenantIdentified
from backend.ledger.models import Account, Category, Connection, Institution, Tag, Transaction
from backend.ledger.transaction_states import stored_transaction_states

ACTOR = "system:seed"


async def record_seed(session: AsyncSession) -> None:
    """An entry for each thing of the session's organization, which is a new one."""
    no_rules = cast(literal("[]"), JSONB)
    await _record(session, "institution", Institution, stored_states(Institution))
    await _record(session, "connection", Connection, stored_states(Connection))
    await _record(session, "account", Account, stored_states(Account))
    await _record(session, "category", Category, stored_states(Category))
    await _record(session, "tag", Tag, stored_states(Tag))
    await _record(session, "budget", Budget, stored_states(Budget, rules=no_rules))
    await _record(session, "transaction", Transaction, stored_transaction_states())


async def _record(
    session: AsyncSession,
    name: str,
    model: type[TenantIdentified],
    states: ColumnElement[dict[str, object]],
) -> None:
    nothing = cast(null(), JSONB).label("before")
    made = select(model.id.label("object_id"), nothing, states.label("after"))
    await record_many(session, ACTOR, "create", name, made)
