from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger.models import Account
from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_transaction,
    make_member,
    make_organization,
    share_account,
)

CARD = {"name": "Card", "type": "card", "currency": "EUR"}


async def account_of(engine: AsyncEngine, scope: Scope, **values: Any) -> Account:
    async with organization_session(engine, scope.organization_id) as session:
        return await add_account(session, scope.user_id, **values)


async def colleague(engine: AsyncEngine, scope: Scope, role: Role) -> Scope:
    return await make_member(engine, scope.organization_id, role)


async def test_an_account_is_made_read_changed_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = await client.post("/api/accounts", json=CARD | {"credit_limit": "1500"})
    assert made.status_code == 201
    account = made.json()
    assert account["owner_id"] == str(owner.user_id)
    assert (account["credit_limit"], account["currency"]) == ("1500.00", "EUR")
    assert account["status"] == "active"
    place = made.headers["location"]
    assert (await client.get(place)).json() == account

    changed = await client.patch(place, json={"status": "closed", "credit_limit": None})
    assert changed.json()["status"] == "closed"
    assert changed.json()["credit_limit"] is None
    assert changed.json()["name"] == "Card"

    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "   "}, "#/name"),
        ({"type": "piggy bank"}, "#/type"),
        ({"currency": "EURO"}, "#/currency"),
        ({"currency": "eur"}, "#/currency"),
        ({"currency": "QQQ"}, "#/currency"),
        ({"credit_limit": "-1"}, "#/credit_limit"),
        ({"credit_limit": "NaN"}, "#/credit_limit"),
        ({"credit_limit": "1e3"}, "#/credit_limit"),
        ({"credit_limit": "1.00001"}, "#/credit_limit"),
        ({"credit_limit": 10**15}, "#/credit_limit"),
        ({"credit_limit": True}, "#/credit_limit"),
        ({"owner_id": "00000000-0000-0000-0000-000000000000"}, "#/owner_id"),
        ({"balance": "1"}, "#/balance"),
    ],
)
async def test_bad_input_is_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/accounts", json=CARD | change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_the_currency_stays(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    place = (await client.post("/api/accounts", json=CARD)).headers["location"]
    answer = await client.patch(place, json={"currency": "USD"})
    assert_problem(answer, 422, "invalid-input", "#/currency")


async def test_an_account_names_its_institution_and_its_connection(
    act_as: ActAs, owner: Scope
) -> None:
    client = act_as(owner)
    banks = [
        (await client.post("/api/institutions", json={"name": name})).json()["id"]
        for name in ("One", "Other")
    ]
    body = {"institution_id": banks[0], "provider": "manual"}
    connection = (await client.post("/api/connections", json=body)).json()["id"]
    where = {"institution_id": banks[0], "connection_id": connection, "external_id": "DE02"}
    made = await client.post("/api/accounts", json=CARD | where)
    account = made.json()
    assert account | where == account
    place = made.headers["location"]
    moved = await client.patch(place, json={"institution_id": banks[1]})
    assert_problem(moved, 422, "invalid-input", "#/connection_id")
    apart = {"institution_id": banks[1], "connection_id": None, "external_id": None}
    changed = (await client.patch(place, json=apart)).json()
    assert changed | apart == changed
    back = await client.patch(place, json={"connection_id": connection})
    assert_problem(back, 422, "invalid-input", "#/connection_id")
    loose = await client.post("/api/accounts", json=CARD | {"connection_id": connection})
    assert loose.status_code == 201


async def test_institutions_and_connections_of_others_are_unknown(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    stranger = act_as(await make_member(engine, await make_organization(engine)))
    bank = (await stranger.post("/api/institutions", json={"name": "Bank"})).json()["id"]
    body = {"institution_id": bank, "provider": "manual"}
    connection = (await stranger.post("/api/connections", json=body)).json()["id"]
    client = act_as(owner)
    place = (await client.post("/api/accounts", json=CARD)).headers["location"]
    for name, foreign in (("institution_id", bank), ("connection_id", connection)):
        for identity in (foreign, str(uuid4())):
            answer = await client.post("/api/accounts", json=CARD | {name: identity})
            assert_problem(answer, 422, "invalid-input", f"#/{name}")
            answer = await client.patch(place, json={name: identity})
            assert_problem(answer, 422, "invalid-input", f"#/{name}")


async def test_a_credit_limit_fits_the_currency(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    yen = CARD | {"currency": "JPY"}
    answer = await client.post("/api/accounts", json=yen | {"credit_limit": "1000.5"})
    assert_problem(answer, 422, "invalid-input", "#/credit_limit")
    place = (await client.post("/api/accounts", json=yen)).headers["location"]
    answer = await client.patch(place, json={"credit_limit": "0.1"})
    assert_problem(answer, 422, "invalid-input", "#/credit_limit")
    changed = await client.patch(place, json={"credit_limit": "1000.0", "type": "loan"})
    assert (changed.json()["credit_limit"], changed.json()["type"]) == ("1000", "loan")


async def test_an_external_id_is_taken_once(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    await client.post("/api/accounts", json=CARD | {"external_id": "DE02"})
    again = await client.post("/api/accounts", json=CARD | {"external_id": "DE02"})
    assert_problem(again, 409, "conflict")


async def test_an_account_with_transactions_is_kept(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    account = await account_of(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        await add_transaction(session, account.id)
    answer = await act_as(owner).delete(f"/api/accounts/{account.id}")
    assert assert_problem(answer, 409, "conflict") == "It is still used by transactions."


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.MANAGER, Role.ANALYST])
async def test_whole_organization_roles_see_every_account(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    mine = await account_of(engine, owner)
    other = await make_member(engine, await make_organization(engine))
    await account_of(engine, other)
    client = act_as(await colleague(engine, owner, role))
    listed = (await client.get("/api/accounts")).json()["items"]
    assert [a["id"] for a in listed] == [str(mine.id)]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_others_see_what_is_theirs_or_shared(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    someone = await colleague(engine, owner, role)
    private, shared = await account_of(engine, owner), await account_of(engine, owner)
    own = await account_of(engine, someone)
    async with organization_session(engine, owner.organization_id) as session:
        await share_account(session, shared.id, someone.user_id)
    client = act_as(someone)
    listed = (await client.get("/api/accounts")).json()["items"]
    assert {a["id"] for a in listed} == {str(own.id), str(shared.id)}
    hidden = await client.get(f"/api/accounts/{private.id}")
    unknown = await client.get(f"/api/accounts/{uuid4()}")
    assert assert_problem(hidden, 404, "not-found") == assert_problem(unknown, 404, "not-found")


async def test_lists_are_filtered(act_as: ActAs, engine: AsyncEngine, owner: Scope) -> None:
    member = await colleague(engine, owner, Role.MEMBER)
    await account_of(engine, owner, name="Main", type="bank")
    await account_of(engine, owner, name="Old card", type="card", status="closed")
    await account_of(engine, member, name="New card", type="card", currency="USD")
    client = act_as(owner)

    async def names(**query: str) -> list[str]:
        listed = await client.get("/api/accounts", params=query)
        return [a["name"] for a in listed.json()["items"]]

    assert await names() == ["Main", "New card", "Old card"]
    assert await names(type="card") == ["New card", "Old card"]
    assert await names(status="active", q="CARD") == ["New card"]
    assert await names(currency="USD") == ["New card"]
    assert await names(owner_id=str(member.user_id)) == ["New card"]


async def test_a_member_makes_accounts_for_themselves_only(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    member = await colleague(engine, owner, Role.MEMBER)
    client = act_as(member)
    made = await client.post("/api/accounts", json=CARD)
    assert made.json()["owner_id"] == str(member.user_id)
    for_other = await client.post("/api/accounts", json=CARD | {"owner_id": str(owner.user_id)})
    assert_problem(for_other, 403, "forbidden")
    given_away = await client.patch(made.headers["location"], json={"owner_id": str(owner.user_id)})
    assert_problem(given_away, 403, "forbidden")
    by_owner = await act_as(owner).post(
        "/api/accounts", json=CARD | {"owner_id": str(member.user_id)}
    )
    assert by_owner.json()["owner_id"] == str(member.user_id)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST])
async def test_readers_write_nothing(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, role: Role
) -> None:
    reader = await colleague(engine, owner, role)
    account = await account_of(engine, reader)
    client = act_as(reader)
    place = f"/api/accounts/{account.id}"
    assert_problem(await client.post("/api/accounts", json=CARD), 403, "forbidden")
    assert_problem(await client.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")
    share = f"{place}/shares/{owner.user_id}"
    assert_problem(await client.put(share), 403, "forbidden")
    assert_problem(await client.delete(share), 403, "forbidden")


async def test_sharing_takes_effect_at_once_and_ends_at_once(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    account = await account_of(engine, owner)
    viewer = await colleague(engine, owner, Role.VIEWER)
    mine, theirs = act_as(owner), act_as(viewer)
    place = f"/api/accounts/{account.id}"
    share = f"{place}/shares/{viewer.user_id}"
    assert_problem(await theirs.get(place), 404, "not-found")
    for _ in range(2):
        assert (await mine.put(share)).status_code == 204
    assert (await theirs.get(place)).status_code == 200
    listed = (await mine.get(f"{place}/shares")).json()
    assert listed == {"user_ids": [str(viewer.user_id)]}
    assert_problem(await theirs.get(f"{place}/shares"), 403, "forbidden")
    for _ in range(2):
        assert (await mine.delete(share)).status_code == 204
    assert_problem(await theirs.get(place), 404, "not-found")


async def test_only_its_owner_shares_an_account(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    partner, friend = [await colleague(engine, owner, Role.MEMBER) for _ in range(2)]
    account = await account_of(engine, owner)
    async with organization_session(engine, owner.organization_id) as session:
        await share_account(session, account.id, partner.user_id)
    place = f"/api/accounts/{account.id}"
    client = act_as(partner)
    assert_problem(await client.put(f"{place}/shares/{friend.user_id}"), 403, "forbidden")
    assert_problem(await client.patch(place, json={"name": "x"}), 403, "forbidden")
    assert_problem(await client.delete(place), 403, "forbidden")


async def test_an_account_is_shared_with_members_only(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    account = await account_of(engine, owner)
    stranger = await make_member(engine, await make_organization(engine))
    client = act_as(owner)

    async def share(user_id: UUID) -> str:
        answer = await client.put(f"/api/accounts/{account.id}/shares/{user_id}")
        return assert_problem(answer, 404, "not-found")

    assert await share(stranger.user_id) == await share(uuid4())
    own = await client.put(f"/api/accounts/{account.id}/shares/{owner.user_id}")
    assert_problem(own, 409, "conflict")


async def test_somebody_elses_account_is_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    other = await make_member(engine, await make_organization(engine))
    theirs = await account_of(engine, other)
    client = act_as(owner)
    details = set()
    for identity in (theirs.id, uuid4()):
        place = f"/api/accounts/{identity}"
        for answer in (
            await client.get(place),
            await client.patch(place, json={"name": "mine"}),
            await client.delete(place),
            await client.get(f"{place}/shares"),
            await client.put(f"{place}/shares/{owner.user_id}"),
            await client.delete(f"{place}/shares/{owner.user_id}"),
        ):
            details.add(assert_problem(answer, 404, "not-found"))
    assert details == {"There is no such account."}
