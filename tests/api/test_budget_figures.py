"""Performance, tree, summary, expenses and revisions of budgets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.budgets.models import BudgetShare
from backend.db.engine import organization_session
from backend.scope import Role, Scope
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_budget,
    add_rate,
    add_transaction,
    make_member,
    make_organization,
)

APRIL = {"starts_on": "2025-04-01", "ends_on": "2025-04-30"}


async def test_the_performance_of_a_running_budget(act_as: ActAs, books: Books) -> None:
    client, account = act_as(books.scope), books.account.id
    top = await plan(client, "Top", "300", **APRIL)
    child = await plan(client, "Child", "200", parent_id=top["id"], **APRIL)
    await spend(client, account, "100", budget_id=top["id"], status="pending")
    await spend(client, account, "60", budget_id=child["id"])
    await spend(client, account, "10", budget_id=child["id"], kind="refund")
    await spend(client, account, "999", budget_id=child["id"], status="cancelled")
    await spend(client, account, "999", budget_id=child["id"], date="2025-05-01")
    await reserve(client, child["id"], "60")
    found = await figures(client, top["id"], on="2025-04-10")
    assert found["period"] == {
        "starts_on": "2025-04-01",
        "ends_on": "2025-04-30",
        "allocated": "300.00",
        "carried": "0.00",
        "spent": "150.00",
        "committed": "60.00",
        "remaining": "90.00",
        "currency": "EUR",
        "utilisation_percent": 50.0,
        "unconverted": 0,
    }
    assert (found["own_spent"], found["pending"], found["overdue"]) == ("100.00", "100.00", "0.00")
    assert (found["time_elapsed_percent"], found["spending_vs_time"]) == (33.33, 16.67)
    assert (found["burn_rate"], found["projected_spend"]) == ("15.00", "450.00")
    assert (found["projected_variance"], found["exhausted_on"]) == ("-150.00", "2025-04-16")
    assert (found["days_elapsed"], found["days_left"]) == (10, 20)
    assert (found["status"], found["condition"]) == ("active", "healthy")
    assert found["thresholds_reached"] == [50]
    parts = found["health"]["parts"]
    assert sum(part["weight"] for part in parts) == 100
    mean = sum(part["weight"] * part["score"] for part in parts) / 100
    assert found["health"]["score"] == int(mean)
    later = await figures(client, top["id"], on="2025-07-01")
    assert (later["status"], later["overdue"]) == ("under_budget", "100.00")


async def test_foreign_amounts_count_at_their_days_rate_or_are_named(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Budget", "300", **APRIL)
    async with organization_session(engine, books.scope.organization_id) as session:
        await add_rate(session, "USD", "EUR", date(2025, 4, 8), Decimal("0.5"))
    account, named = books.account.id, {"budget_id": budget["id"]}
    await spend(client, account, "100", currency="USD", **named)
    await spend(client, account, "100", currency="USD", date="2025-04-20", **named)
    await spend(client, account, "7", currency="JPY", **named)
    period = (await figures(client, budget["id"]))["period"]
    assert (period["spent"], period["unconverted"]) == ("50.00", 2)


async def test_the_sums_of_a_tree_agree(act_as: ActAs, books: Books) -> None:
    client, account = act_as(books.scope), books.account.id
    top = await plan(client, "Top", "1200")
    months = await plan(client, "Months", "50", type="monthly", parent_id=top["id"])
    other = await plan(client, "Other", "100", parent_id=top["id"])
    await spend(client, account, "5", budget_id=top["id"])
    await spend(client, account, "30", budget_id=months["id"])
    await spend(client, account, "40", budget_id=months["id"], date="2025-06-01")
    await reserve(client, other["id"], "9")
    answer = (await client.get(f"/api/budgets/{top['id']}/tree?on=2025-04-15")).json()
    assert (answer["period_starts_on"], answer["period_ends_on"]) == ("2025-01-01", "2025-12-31")
    tree = answer["tree"]
    assert (tree["allocated"], tree["unallocated"]) == ("1200.00", "500.00")
    assert (tree["own_spent"], tree["spent"], tree["committed"]) == ("5.00", "75.00", "9.00")
    first, second = tree["children"]
    assert (first["name"], first["allocated"], first["spent"]) == ("Months", "600.00", "70.00")
    assert (second["name"], second["remaining"]) == ("Other", "91.00")
    assert first["parent_id"] == second["parent_id"] == top["id"]


async def test_what_is_hidden_in_a_tree_is_counted_and_not_shown(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    owner = books.scope
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        top = await add_budget(session, owner.user_id, name="Top")
        hidden = await add_budget(
            session, owner.user_id, name="Hidden", parent_id=top.id, amount=Decimal(400)
        )
        leaf = await add_budget(
            session, member.user_id, name="Leaf", parent_id=hidden.id, amount=Decimal(50)
        )
        session.add(BudgetShare(budget_id=top.id, user_id=member.user_id))
        await add_transaction(session, books.account.id, budget_id=hidden.id, amount=Decimal(70))
    answer = await act_as(member).get(f"/api/budgets/{top.id}/tree?on=2025-04-15")
    tree = answer.json()["tree"]
    assert (tree["spent"], tree["own_spent"], tree["unallocated"]) == ("70.00", "0.00", "600.00")
    assert [(c["id"], c["parent_id"]) for c in tree["children"]] == [(str(leaf.id), str(top.id))]
    assert str(hidden.id) not in answer.text
    assert "Hidden" not in answer.text


async def test_the_summary_counts_what_hangs_on_nothing_else(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client, account = act_as(books.scope), books.account.id
    async with organization_session(engine, books.scope.organization_id) as session:
        await add_rate(session, "USD", "EUR", date(2025, 4, 14), Decimal("0.5"))
    top = await plan(client, "Top", "500")
    child = await plan(client, "Child", "200", parent_id=top["id"])
    await plan(client, "Dollars", "100", currency="USD")
    await plan(client, "Pounds", "100", currency="GBP")
    await plan(client, "Past", "10", starts_on="2024-01-01", ends_on="2024-12-31")
    old = await plan(client, "Old", "10")
    await client.patch(f"/api/budgets/{old['id']}", json={"archived": True})
    await spend(client, account, "150", budget_id=child["id"])
    await reserve(client, child["id"], "20")
    answers = [
        (await client.get(f"/api/budgets/{name}", params={"on": "2025-04-15"})).json()
        for name in ("summary", "stats/summary")
    ]
    assert answers[0] == answers[1]
    found = answers[0]
    # The fixture's own budget of 1000 runs too.
    assert (found["budgets"], found["running"], found["currency"]) == (7, 4, "EUR")
    assert (found["allocated"], found["spent"]) == ("1550.00", "150.00")
    assert (found["committed"], found["remaining"]) == ("20.00", "1380.00")
    assert found["by_status"]["active"] == 5
    assert (found["by_status"]["archived"], found["by_status"]["under_budget"]) == (1, 1)
    assert found["by_condition"] == {"healthy": 5, "warning": 1, "critical": 0, "exceeded": 0}
    assert (found["unconverted_budgets"], found["unconverted_currencies"]) == (1, ["GBP"])
    assert 0 <= found["health"]["score"] <= 100


async def test_a_members_summary_is_of_what_they_see(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    owner = books.scope
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    empty = (await act_as(member).get("/api/budgets/summary?on=2025-04-15")).json()
    assert (empty["budgets"], empty["allocated"], empty["health"]) == (0, "0.00", None)
    async with organization_session(engine, owner.organization_id) as session:
        top = await add_budget(session, owner.user_id, amount=Decimal(900))
        middle = await add_budget(session, owner.user_id, parent_id=top.id, amount=Decimal(80))
        leaf = await add_budget(session, member.user_id, parent_id=middle.id, amount=Decimal(7))
    client = act_as(member)
    found = (await client.get("/api/budgets/summary?on=2025-04-15")).json()
    assert (found["budgets"], found["allocated"]) == (1, "7.00")
    # What they see above it holds it, whatever lies between.
    async with organization_session(engine, owner.organization_id) as session:
        session.add(BudgetShare(budget_id=top.id, user_id=member.user_id))
    found = (await client.get("/api/budgets/summary?on=2025-04-15")).json()
    assert (found["budgets"], found["allocated"]) == (2, "900.00")
    assert str(leaf.id) not in str(found)


async def test_lists_are_filtered_by_what_is_derived(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    days = {"starts_on": "2026-01-01", "ends_on": "2045-12-31"}
    spent = {"date": "2026-01-02"}
    over = await plan(client, "Over", "10", **days)
    await spend(client, books.account.id, "11", budget_id=over["id"], **spent)
    close = await plan(client, "Close", "10", **days)
    await spend(client, books.account.id, "9.5", budget_id=close["id"], **spent)
    await plan(client, "Idle", "10", category_id=str(books.category.id), **days)
    await plan(client, "Coming", "10", starts_on="2044-01-01", ends_on="2044-12-31")

    async def names(**query: Any) -> list[str]:
        answer = await client.get("/api/budgets", params=query)
        return [b["name"] for b in answer.json()["items"] if b["name"] != books.budget.name]

    assert await names(status="over_budget") == ["Over"]
    assert await names(status="active") == ["Close", "Idle"]
    assert await names(status="pending") == ["Coming"]
    assert await names(condition="critical") == ["Close"]
    assert await names(status="active", condition="healthy", currency="EUR") == ["Idle"]
    assert await names(category_id=str(books.category.id)) == ["Idle"]
    assert await names(runs_on="2044-06-01") == ["Close", "Coming", "Idle", "Over"]
    first = (await client.get("/api/budgets", params={"status": "active", "limit": 1})).json()
    assert [b["name"] for b in first["items"]] == ["Close"]
    assert await names(status="active", limit=1, cursor=first["next_cursor"]) == ["Idle"]
    item = first["items"][0]
    assert (item["current"]["spent"], item["current"]["utilisation_percent"]) == ("9.50", 95.0)
    bad = await client.get("/api/budgets", params={"status": "fine"})
    assert_problem(bad, 422, "invalid-input", "status")


async def test_expenses_say_which_rule_matched(act_as: ActAs, books: Books) -> None:
    client, account = act_as(books.scope), books.account.id
    top = await plan(client, "Top", "500")
    rule = {"category_id": str(books.category.id)}
    child = await plan(client, "Child", "100", parent_id=top["id"], rules=[rule])
    named = await spend(client, account, "5", budget_id=top["id"], date="2025-04-12")
    matched = await spend(client, account, "7", category_id=str(books.category.id))
    listed = (await client.get(f"/api/budgets/{top['id']}/expenses")).json()["items"]
    assert [(i["transaction_id"], i["rule"], i["rule_id"]) for i in listed] == [
        (named["id"], "explicit", None),
        (matched["id"], "matched", child["rules"][0]["id"]),
    ]
    assert [(i["budget_id"], i["amount"]) for i in listed] == [
        (top["id"], "5.00"),
        (child["id"], "7.00"),
    ]

    async def ids(budget: dict[str, Any], **query: Any) -> list[str]:
        answer = await client.get(f"/api/budgets/{budget['id']}/expenses", params=query)
        return [item["transaction_id"] for item in answer.json()["items"]]

    assert await ids(top, own=True) == [named["id"]]
    assert await ids(child) == [matched["id"]]
    assert await ids(top, to_date="2025-04-11") == [matched["id"]]
    assert await ids(top, status="pending") == []
    first = (await client.get(f"/api/budgets/{top['id']}/expenses?limit=1")).json()
    assert await ids(top, cursor=first["next_cursor"]) == [matched["id"]]


async def test_expenses_on_accounts_of_others_are_counted_and_not_listed(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    async with organization_session(engine, books.scope.organization_id) as session:
        session.add(BudgetShare(budget_id=books.budget.id, user_id=member.user_id))
        own = await add_account(session, member.user_id)
        await add_transaction(session, own.id, budget_id=books.budget.id, amount=Decimal(3))
        await add_transaction(
            session, books.account.id, budget_id=books.budget.id, amount=Decimal(4)
        )
    client = act_as(member)
    listed = (await client.get(f"/api/budgets/{books.budget.id}/expenses")).json()["items"]
    assert [item["amount"] for item in listed] == ["3.00"]
    assert (await figures(client, books.budget.id))["period"]["spent"] == "7.00"


async def test_revisions_tell_who_changed_what(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Budget", "100")
    place = f"/api/budgets/{budget['id']}"
    rule = {"account_id": str(books.account.id)}
    await client.patch(place, json={"amount": "120", "rules": [rule]})
    await client.patch(place, json={"archived": True})
    pages = [(await client.get(f"{place}/revisions?limit=2")).json()]
    cursor = pages[0]["next_cursor"]
    pages.append((await client.get(f"{place}/revisions?limit=2&cursor={cursor}")).json())
    found = [item for page in pages for item in page["items"]]
    assert [item["action"] for item in found] == ["update", "update", "create"]
    assert {item["actor"] for item in found} == {str(books.scope.user_id)}
    assert found[1]["changes"] == [
        {"field": "amount", "before": "100.0000", "after": "120.0000"},
        {"field": "rules", "before": [], "after": [rule]},
    ]
    assert [change["field"] for change in found[0]["changes"]] == ["archived_at"]
    assert all(change["before"] is None for change in found[2]["changes"])


async def test_revisions_hide_what_is_hidden(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    owner = books.scope
    member = await make_member(engine, owner.organization_id, Role.MEMBER)
    client = act_as(owner)
    secret = await plan(client, "Secret", "500")
    rule = {"account_id": str(books.account.id)}
    shared = await plan(client, "Shared", "10", parent_id=secret["id"], rules=[rule])
    place = f"/api/budgets/{shared['id']}"
    await client.put(f"{place}/shares/{member.user_id}")
    theirs = await act_as(member).get(f"{place}/revisions")
    assert theirs.status_code == 200
    for hidden in (secret["id"], str(books.account.id), "share"):
        assert hidden not in theirs.text.replace(shared["id"], "")
    assert [item["action"] for item in theirs.json()["items"]] == ["create"]
    mine = (await client.get(f"{place}/revisions")).json()["items"]
    assert [item["action"] for item in mine] == ["share", "create"]


@pytest.mark.parametrize("part", ["performance", "tree", "expenses", "revisions"])
async def test_figures_of_others_are_as_good_as_none(
    act_as: ActAs, engine: AsyncEngine, owner: Scope, part: str
) -> None:
    stranger = await make_member(engine, await make_organization(engine))
    async with organization_session(engine, stranger.organization_id) as session:
        theirs = await add_budget(session, stranger.user_id)
    async with organization_session(engine, owner.organization_id) as session:
        mine = await add_budget(session, owner.user_id)
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    for scope, identity in ((owner, theirs.id), (owner, uuid4()), (viewer, mine.id)):
        answer = await act_as(scope).get(f"/api/budgets/{identity}/{part}")
        assert_problem(answer, 404, "not-found")
    bad = await act_as(owner).get(f"/api/budgets/{mine.id}/{part}?limit=x&on=yesterday")
    assert bad.status_code == 422
