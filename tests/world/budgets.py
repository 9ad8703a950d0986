"""Budgets and what hangs on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from backend.scope import Role
from tests.world.hands import OWNERS, Hands
from tests.world.side import Place


async def fill_budgets(hands: Hands) -> None:
    """The hidden budget is above the other two; each has a `leaf` under it, and things on it.

    Nothing is booked in a `branch` and its `twig`.
    """
    side = hands.side
    top = await _budget(hands, Place.HIDDEN, "budget", "987654.00")
    side.ids["budget"] = {
        Place.HIDDEN: top,
        Place.SHARED: await _budget(hands, Place.SHARED, "budget", "5000.00", parent_id=str(top)),
        Place.OWN: await _child_of_hidden(hands, top),
    }
    await hands.show("budgets", side.find("budget", Place.SHARED))
    side.ids["branch"] = {place: await _budget(hands, place, "branch", "100.00") for place in Place}
    for kind, parent in (("leaf", "budget"), ("twig", "branch")):
        side.ids[kind] = {
            place: await _budget(
                hands, place, kind, "100.00", parent_id=str(side.find(parent, place))
            )
            for place in Place
        }
    for kind in ("branch", "leaf", "twig"):
        await hands.show("budgets", side.find(kind, Place.SHARED))


async def fill_commitments(hands: Hands) -> None:
    side = hands.side
    await _fill_goals(hands)
    await _fill_reservations(hands)
    for place in Place:
        source, target = side.find("budget", place), side.find("leaf", place)
        await hands.send(
            "POST",
            f"/api/budgets/{source}/transfers",
            by=OWNERS[place],
            json={
                "to_budget_id": str(target),
                "amount": "1.00",
                "note": side.text("transfer", place),
            },
        )


async def _child_of_hidden(hands: Hands, parent: UUID) -> UUID:
    """The member's: only who sees the parent can put it there."""
    owner_id = str(hands.side.members[Role.MEMBER].user_id)
    values = {"parent_id": str(parent), "owner_id": owner_id}
    return await _budget(hands, Place.OWN, "budget", "6000.00", by=Role.OWNER, **values)


async def _budget(
    hands: Hands, place: Place, kind: str, amount: str, *, by: Role | None = None, **values: Any
) -> UUID:
    by = by or OWNERS[place]
    today = datetime.now(UTC).date()
    body = {
        "name": hands.side.text(kind, place),
        "description": hands.side.text("description", place),
        "level": "department",
        "type": "custom",
        "amount": amount,
        "currency": "EUR",
        "starts_on": (today - timedelta(days=30)).isoformat(),
        "ends_on": (today + timedelta(days=30)).isoformat(),
        "rules": [_rule(hands, place, by)],
    }
    return await hands.make("/api/budgets", by, **body | values)


def _rule(hands: Hands, place: Place, by: Role) -> dict[str, str]:
    """One that nothing meets; the owner's is on an account that few of those who see it may see."""
    account_of = Place.HIDDEN if by is Role.OWNER else Place.OWN
    account_id = hands.side.find("account", account_of)
    return {"account_id": str(account_id), "service": hands.side.text("service", place)}


async def _fill_goals(hands: Hands) -> None:
    side = hands.side
    deadline = datetime.now(UTC).date() + timedelta(days=20)
    side.ids["goal"] = {
        place: await hands.make(
            "/api/goals",
            OWNERS[place],
            budget_id=str(side.find("budget", place)),
            name=side.text("goal", place),
            type="leads",
            target="100",
            deadline=deadline.isoformat(),
        )
        for place in Place
    }
    for place in Place:
        path = f"/api/goals/{side.find('goal', place)}/progress"
        body = {"value": "5", "source": side.text("source", place)}
        await hands.send("POST", path, by=OWNERS[place], json=body)


async def _fill_reservations(hands: Hands) -> None:
    side = hands.side
    side.ids["reservation"] = {
        place: await hands.make(
            f"/api/budgets/{side.find('budget', place)}/reservations",
            OWNERS[place],
            amount="2.00",
            description=side.text("reservation", place),
        )
        for place in Place
    }
