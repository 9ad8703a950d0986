from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.errors import PreconditionFailed
from backend.ledger.transaction_queries import get_transaction
from backend.ledger.transactions import update_transaction
from tests import factories


async def test_a_version_is_checked_on_the_row_as_it_is_now(engine: AsyncEngine) -> None:
    owner = await factories.make_member(engine, await factories.make_organization(engine))
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id)
        booked = await factories.add_transaction(session, account.id)
    async with organization_session(engine, owner.organization_id) as session:
        seen = await get_transaction(session, owner, booked.id)  # without a lock
        version = seen.version
        assert version == booked.version
        async with organization_session(engine, owner.organization_id) as other:
            await update_transaction(other, owner, booked.id, {"vendor": "first"})
        with pytest.raises(PreconditionFailed):
            await update_transaction(
                session, owner, booked.id, {"vendor": "second"}, frozenset({version})
            )
