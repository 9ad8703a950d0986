"""What periods leave the next ones, through the API."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role
from tests.api.books import Books
from tests.api.conftest import ActAs
from tests.api.plans import figures, plan, reserve, spend
from tests.api.problem import assert_problem
from tests.factories import make_member


@pytest.mark.parametrize(
    ("policy", "carried"),
    [
        ("none", ["0.00", "0.00", "0.00"]),
        ("surplus", ["60.00", "0.00", "100.00"]),
        ("deficit", ["0.00", "-80.00", "0.00"]),
        ("both", ["60.00", "-20.00", "80.00"]),
        ("capped", ["50.00", "-30.00", "50.00"]),
    ],
)
async def test_periods_leave_the_next_what_the_policy_says(
    act_as: ActAs, books: Books, policy: str, carried: list[str]
) -> None:
    client = act_as(books.scope)
    cap = {"rollover_cap": "50"} if policy == "capped" else {}
    days = {"type": "monthly", "ends_on": "2025-06-30"}
    budget = await plan(client, "Months", "100", rollover_policy=policy, **cap, **days)
    place = f"/api/budgets/{budget['id']}"
    for amount, day in (("40", "2025-01-31"), ("180", "2025-02-01")):
        await spend(client, books.account.id, amount, budget_id=budget["id"], date=day)
    rolled = (await client.post(f"{place}/rollover?on=2025-04-15")).json()
    found = {p["starts_on"]: (p["carried"], p["amount"]) for p in rolled["periods"]}
    assert found["2025-01-01"] == ("0.00", "100.00")
    assert [found[f"2025-0{month}-01"][0] for month in (2, 3, 4)] == carried
    assert found["2025-04-01"][1] == f"{100 + float(carried[2]):.2f}"
    assert found["2025-05-01"] == ("0.00", "100.00")
    again = (await client.post(f"{place}/rollover?on=2025-04-15")).json()
    assert again["periods"] == rolled["periods"]


async def test_late_bookings_correct_what_was_carried(
    act_as: ActAs, engine: AsyncEngine, books: Books
) -> None:
    client = act_as(books.scope)
    days = {"type": "monthly", "ends_on": "2025-06-30"}
    budget = await plan(client, "Months", "100", rollover_policy="both", **days)
    place = f"/api/budgets/{budget['id']}"
    await client.post(f"{place}/rollover?on=2025-02-15")
    late = {"budget_id": budget["id"], "date": "2025-01-31"}
    await spend(client, books.account.id, "250", **late)
    rolled = (await client.post(f"{place}/rollover?on=2025-02-15")).json()
    assert (rolled["periods"][1]["carried"], rolled["periods"][1]["amount"]) == (
        "-150.00",
        "-50.00",
    )
    period = (await figures(client, budget["id"], on="2025-02-15"))["period"]
    assert (period["allocated"], period["remaining"]) == ("-50.00", "-50.00")
    member = await make_member(engine, books.scope.organization_id, Role.MEMBER)
    assert_problem(await act_as(member).post(f"{place}/rollover"), 404, "not-found")
    bad = await client.post(f"{place}/rollover?on=soon")
    assert_problem(bad, 422, "invalid-input", "on")


async def test_nothing_is_carried_over_ahead_of_time(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Months", "100", type="monthly", rollover_policy="surplus")
    refused = await client.post(f"/api/budgets/{budget['id']}/rollover?on=2099-01-01")
    assert_problem(refused, 422, "invalid-input", "on")


async def test_rolling_over_takes_back_what_was_carried_too_far(
    act_as: ActAs, books: Books
) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Months", "100", type="monthly", rollover_policy="surplus")
    place = f"/api/budgets/{budget['id']}/rollover"

    async def carried(on: str) -> list[str]:
        rolled = (await client.post(place, params={"on": on})).json()
        assert all(float(p["amount"]) == 100 + float(p["carried"]) for p in rolled["periods"])
        return [p["carried"] for p in rolled["periods"]]

    assert (await carried("2025-05-31"))[:5] == ["0.00", "100.00", "200.00", "300.00", "400.00"]
    assert await carried("2025-02-28") == ["0.00", "100.00", *["0.00"] * 10]


async def test_a_deficit_leaves_what_is_committed(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)
    budget = await plan(client, "Months", "100", type="monthly", rollover_policy="deficit")
    place = f"/api/budgets/{budget['id']}"
    await spend(client, books.account.id, "150", budget_id=budget["id"], date="2025-03-31")
    made = await reserve(client, budget["id"], "90")
    rolled = (await client.post(f"{place}/rollover?on=2025-04-20")).json()
    april = rolled["periods"][3]
    assert (april["carried"], april["amount"]) == ("-10.00", "90.00")
    await client.post(f"{made.headers['location']}/release")
    rolled = (await client.post(f"{place}/rollover?on=2025-04-20")).json()
    assert rolled["periods"][3]["carried"] == "-50.00"
