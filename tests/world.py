"""Two organizations that mirror each other, with every role, and one published generation of both.

Whatever belongs to the second carries the marker THEIRS in a name, so that a leak shows as text.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from filelock import FileLock
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import create_engine, organization_session
from backend.jobs.models import Refresh
from backend.scope import Role, Scope
from backend.settings import Settings
from orchestration.run import run_refresh
from tests import factories, server

OURS, THEIRS = "marker-ours", "marker-theirs"


@dataclass(slots=True)
class Side:
    """One organization. `ids` are keyed as path parameters are named; `members` by role.

    The member owns `private_account_id`; `account_id`, the owner's, is shared with member and
    viewer. `hidden_account_id` and `ancestor_id`, the owner's too, are shared with nobody.
    """

    organization_id: UUID
    members: dict[Role, Scope] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    url: str
    home: Path
    ours: Side
    theirs: Side

    @property
    def settings(self) -> Settings:
        return server.settings_for(self.home, self.url)


async def build_world(server_url: str, folder: Path) -> World:
    """The run's one world; the first worker builds it and the others wait."""
    kept = folder / "world.pickle"
    with FileLock(folder / "world.lock"):
        with suppress(FileNotFoundError):
            return pickle.loads(kept.read_bytes())  # noqa: S301  # written by this very run
        url = await server.clone(server_url)
        settings = server.settings_for(folder / "world", url)
        engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
        world = World(url, settings.home, await _side(engine, OURS), await _side(engine, THEIRS))
        await engine.dispose()
        run_refresh(settings)
        kept.write_bytes(pickle.dumps(world))
        return world


async def _side(engine: AsyncEngine, marker: str) -> Side:
    side = Side(await factories.make_organization(engine, name=marker))
    for role in Role:
        side.members[role] = await factories.make_member(engine, side.organization_id, role)
    owner, member, viewer = (
        side.members[role].user_id for role in (Role.OWNER, Role.MEMBER, Role.VIEWER)
    )
    today = datetime.now(UTC).date()
    async with organization_session(engine, side.organization_id) as session:

        def named(what: str) -> str:
            return f"{marker} {what}"

        shared = await factories.add_account(session, owner, name=named("shared"))
        hidden = await factories.add_account(session, owner, name=named("hidden"))
        private = await factories.add_account(session, member, name=named("private"))
        for user in (member, viewer):
            await factories.share_account(session, shared.id, user)
        category = await factories.add_category(session, name=named("category"))
        tag = await factories.add_tag(session, name=named("tag"))
        dates = {"starts_on": today - timedelta(days=30), "ends_on": today + timedelta(days=30)}
        ancestor = await factories.add_budget(session, owner, name=named("ancestor"), **dates)
        budget = await factories.add_budget(
            session, member, name=named("budget"), parent_id=ancestor.id, **dates
        )
        transactions = {}
        for account, amount in ((shared, "10.00"), (hidden, "20.00"), (private, "40.00")):
            transactions[account.id] = await factories.add_transaction(
                session,
                account.id,
                amount=Decimal(amount),
                date=today - timedelta(days=2),
                description=named("transaction"),
                vendor=named("vendor"),
                category_id=category.id,
                budget_id=budget.id,
                tag_ids=(tag.id,),
            )
            await factories.add_balance(session, account.id, today, Decimal(amount))
        refresh = Refresh(requested_by=owner, run_id=UUID(int=1), status="succeeded")
        session.add(refresh)
        await session.flush()
        side.ids = {
            "account_id": shared.id,
            "hidden_account_id": hidden.id,
            "private_account_id": private.id,
            "category_id": category.id,
            "tag_id": tag.id,
            "budget_id": budget.id,
            "ancestor_id": ancestor.id,
            "transaction_id": transactions[hidden.id].id,
            "refresh_id": refresh.id,
            "user_id": member,
        }
    return side
