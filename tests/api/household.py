"""An organization whose members' rows are in a published generation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.contents import Generation
from backend.warehouse.generation import resolve
from tests.factories import add_account, make_member, make_organization
from tests.warehouse.hand_made import ACME, ALICE, BOB, BOBS, publish_hand_made, rows_of


@dataclass(frozen=True, slots=True)
class Household:
    """Bob owns the organization, Ann is an analyst, Alice a member, Vic a viewer; five
    transactions each of Bob (6 to 10) and Alice (1 to 5). Mallory owns another organization.
    """

    settings: Settings
    bob: Scope
    ann: Scope
    alice: Scope
    vic: Scope
    mallory: Scope
    bobs_account: UUID

    @property
    def current(self) -> str:
        """The id of the last generation."""
        folder = resolve(self.settings.warehouse_dir)
        assert folder is not None
        return folder.name

    def publish(self, *statements: str, now: datetime | None = None) -> Generation:
        """A new generation; `statements` change its tables before."""
        people = {ACME: self.bob.organization_id, BOB: self.bob.user_id, ALICE: self.alice.user_id}
        return publish_hand_made(
            self.settings.warehouse_dir,
            rows_of(people | {BOBS: self.bobs_account}),
            now=now or datetime.now(UTC),
            statements=statements,
        )


async def open_household(settings: Settings, engine: AsyncEngine) -> Household:
    """Without a generation yet. Bob's account is in PostgreSQL too, so that it can be shared."""
    organization = await make_organization(engine)
    bob = await make_member(engine, organization, Role.OWNER)
    people = {
        role: await make_member(engine, organization, role)
        for role in (Role.ANALYST, Role.MEMBER, Role.VIEWER)
    }
    mallory = await make_member(engine, await make_organization(engine), Role.OWNER)
    async with organization_session(engine, organization) as session:
        account = await add_account(session, bob.user_id)
    return Household(
        settings,
        bob,
        people[Role.ANALYST],
        people[Role.MEMBER],
        people[Role.VIEWER],
        mallory,
        UUID(int=account.id.int),
    )


TOTAL: dict[str, Any] = {"dataset": "fct_transactions", "measures": ["total"]}
ROWS: dict[str, Any] = {"dataset": "fct_transactions", "fields": ["vendor", "amount", "tag_ids"]}
