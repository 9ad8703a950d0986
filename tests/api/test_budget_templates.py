from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.scope import Role, Scope
from tests.api.conftest import ActAs
from tests.api.plans import plan
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization

USE = {
    "amount": "1000.01",
    "currency": "EUR",
    "starts_on": "2025-01-01",
    "ends_on": "2025-12-31",
}


def leaves(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [leaf for child in node["children"] for leaf in leaves(child)] or [node]


async def test_every_template_makes_a_tree_that_adds_up(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    templates = (await client.get("/api/budget-templates")).json()["items"]
    assert len(templates) >= 4
    for template in templates:
        made = await client.post(f"/api/budget-templates/{template['id']}", json=USE)
        assert made.status_code == 201
        top = made.json()
        assert (top["name"], top["amount"]) == (template["name"], "1000.01")
        assert (await client.get(made.headers["location"])).json() == top
        answer = await client.get(f"/api/budgets/{top['id']}/tree?on=2025-01-15")
        tree = answer.json()["tree"]
        assert tree["unallocated"] == "0.00"
        assert [c["name"] for c in tree["children"]] == sorted(
            part["name"] for part in template["parts"]
        )
        total = sum(Decimal(leaf["allocated"]) for leaf in leaves(tree))
        assert total == Decimal(tree["allocated"])


async def test_a_template_fits_under_a_budget_or_makes_nothing(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    top = await plan(client, "Top", "1000")
    place = "/api/budget-templates/project"
    refused = await client.post(place, json=USE | {"parent_id": top["id"]})
    assert_problem(refused, 422, "invalid-input", "#/amount")
    assert len((await client.get("/api/budgets")).json()["items"]) == 1
    made = await client.post(place, json=USE | {"parent_id": top["id"], "amount": "1000"})
    assert made.json()["parent_id"] == top["id"]
    dry = await client.post(f"{place}?dry_run=true", json=USE)
    assert dry.status_code == 201
    assert len((await client.get("/api/budgets")).json()["items"]) == 7


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "0"}, "#/amount"),
        ({"currency": "XXX"}, "#/currency"),
        ({"ends_on": "2024-12-31"}, "#/ends_on"),
        ({"weights": []}, "#/weights"),
    ],
)
async def test_bad_uses_are_pointed_at(
    act_as: ActAs, owner: Scope, change: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(owner).post("/api/budget-templates/project", json=USE | change)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_templates_are_for_writers_and_under_ones_own(
    act_as: ActAs, engine: AsyncEngine, owner: Scope
) -> None:
    unknown = await act_as(owner).post("/api/budget-templates/dreams", json=USE)
    assert_problem(unknown, 404, "not-found")
    viewer = await make_member(engine, owner.organization_id, Role.VIEWER)
    assert (await act_as(viewer).get("/api/budget-templates")).status_code == 200
    refused = await act_as(viewer).post("/api/budget-templates/project", json=USE)
    assert_problem(refused, 403, "forbidden")
    stranger = await make_member(engine, await make_organization(engine))
    top = await plan(act_as(owner), "Top", "5000")
    place = "/api/budget-templates/project"
    answer = await act_as(stranger).post(place, json=USE | {"parent_id": top["id"]})
    assert_problem(answer, 422, "invalid-input", "#/parent_id")
