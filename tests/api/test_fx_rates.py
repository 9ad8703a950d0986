"""The layout is the European Central Bank's; the numbers are made up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.money import EXPONENTS
from backend.scope import Role, Scope
from tests.api.audit import entries_of
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import add_rate, make_member, make_organization

PATH = "/api/fx-rates"
DAY = f"{PATH}/EUR/USD/2025-03-10"
FILE = """\
Date,USD,JPY,CYP,GBP,
2025-03-11,1.0912,161.25,N/A,0.8431,
2025-03-10,1.0842,160.10,0.5853,N/A,
"""


async def test_a_rate_is_put_read_replaced_and_deleted(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    made = await client.put(DAY, json={"rate": "1.0842"})
    assert made.status_code == 200, made.text
    shown = {"base": "EUR", "quote": "USD", "date": "2025-03-10", "rate": "1.0842"}
    assert made.json() == shown | {"source": "manual"}
    again = await client.put(DAY, json={"rate": "1.1", "source": "ECB"})
    assert again.json() == shown | {"rate": "1.1", "source": "ECB"}
    assert (await client.get(DAY)).json() == again.json()
    assert (await client.get(PATH)).json()["items"] == [again.json()]
    assert (await client.delete(DAY)).status_code == 204
    assert_problem(await client.get(DAY), 404, "not-found")
    assert_problem(await client.delete(DAY), 404, "not-found")


@pytest.mark.parametrize(
    "rate", ["0", "-1", "1e3", "NaN", "1,1", "", "0.00000000001", "99999999999", None, True, []]
)
async def test_what_is_no_rate_is_refused(act_as: ActAs, owner: Scope, rate: Any) -> None:
    answer = await act_as(owner).put(DAY, json={"rate": rate})
    assert_problem(answer, 422, "invalid-input", "#/rate")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("XXX/USD/2025-03-10", "base"),
        ("EUR/usd/2025-03-10", "quote"),
        ("EUR/EUR/2025-03-10", "quote"),
        ("EUR/USD/2025-02-30", "date"),
        ("EUR/USD/1066-10-14", "date"),
    ],
)
async def test_a_place_that_no_rate_has(
    act_as: ActAs, owner: Scope, path: str, pointer: str
) -> None:
    answer = await act_as(owner).put(f"{PATH}/{path}", json={"rate": "1"})
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_lists_are_filtered_and_paged(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        for day in (1, 2, 3):
            await add_rate(session, "EUR", "USD", date(2025, 3, day), Decimal("1.1"))
            await add_rate(session, "GBP", "USD", date(2025, 3, day), Decimal("1.3"))
    client = act_as(owner)

    async def found(**params: Any) -> list[str]:
        answer = await client.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        return [f"{r['base']}{r['quote']}{r['date'][-2:]}" for r in answer.json()["items"]]

    everything = ["GBPUSD03", "EURUSD03", "GBPUSD02", "EURUSD02", "GBPUSD01", "EURUSD01"]
    assert await found() == everything
    assert await found(base="GBP", from_date="2025-03-02") == ["GBPUSD03", "GBPUSD02"]
    assert await found(quote="USD", to_date="2025-03-01") == everything[4:]
    assert await found(quote="EUR") == []
    page = (await client.get(PATH, params={"limit": 4})).json()
    assert await found(cursor=page["next_cursor"]) == everything[4:]
    assert_problem(await client.get(PATH, params={"base": "Euro"}), 422, "invalid-input", "base")


@pytest.mark.parametrize(
    ("source", "target", "day", "converted", "rest"),
    [
        ("EUR", "EUR", "2025-03-10", "100.00", ("1", "2025-03-10", "same", None)),
        ("EUR", "USD", "2025-03-12", "110.00", ("1.1", "2025-03-10", "direct", None)),
        ("EUR", "USD", "2025-03-17", "110.00", ("1.1", "2025-03-10", "direct", None)),
        ("EUR", "USD", "2025-03-18", None, (None, None, None, None)),
        ("USD", "EUR", "2025-03-10", "90.91", ("0.9090909091", "2025-03-10", "inverse", None)),
        ("USD", "JPY", "2025-03-10", "14545", ("145.4545454545", "2025-03-10", "cross", "EUR")),
        ("USD", "CHF", "2025-03-10", None, (None, None, None, None)),
    ],
)
async def test_a_conversion_says_by_which_rate(
    *,
    act_as: ActAs,
    owner: Scope,
    engine: AsyncEngine,
    source: str,
    target: str,
    day: str,
    converted: str | None,
    rest: tuple[Any, ...],
) -> None:
    async with organization_session(engine, owner.organization_id) as session:
        await add_rate(session, "EUR", "USD", date(2025, 3, 10), Decimal("1.1"))
        await add_rate(session, "EUR", "JPY", date(2025, 3, 10), Decimal(160))
        defined = await session.scalar(
            select(func.fx_rate(owner.organization_id, source, target, date.fromisoformat(day)))
        )
    params = {"amount": "100", "from": source, "to": target, "date": day}
    answer = await act_as(owner).get(f"{PATH}/convert", params=params)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["converted"] == converted
    assert tuple(told[name] for name in ("rate", "rated_on", "rule", "via")) == rest
    assert (told["amount"], told["currency"]) == ("100.00" if source != "JPY" else "100", source)
    assert (None if told["rate"] is None else Decimal(told["rate"])) == defined


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"amount": "x"}, "amount"), ({"from": "euro"}, "from"), ({"date": "today"}, "date")],
)
async def test_a_conversion_of_nonsense_is_refused(
    act_as: ActAs, owner: Scope, change: dict[str, str], pointer: str
) -> None:
    params = {"amount": "1", "from": "EUR", "to": "USD"} | change
    answer = await act_as(owner).get(f"{PATH}/convert", params=params)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_a_file_is_imported_once(act_as: ActAs, owner: Scope, engine: AsyncEngine) -> None:
    client = act_as(owner)
    await client.put(f"{PATH}/EUR/GBP/2025-03-11", json={"rate": "0.9"})
    await client.put(DAY, json={"rate": "1.0842"})

    tried = await client.post(f"{PATH}:import", content=FILE, params={"dry_run": "true"})
    assert tried.status_code == 200, tried.text
    assert len((await client.get(PATH)).json()["items"]) == 2
    done = await client.post(f"{PATH}:import", content=FILE)
    assert done.json() == tried.json()
    counts = {"created": 3, "updated": 1, "unchanged": 1, "ignored_currencies": ["CYP"]}
    assert done.json() == counts
    listed = (await client.get(PATH, params={"quote": "GBP"})).json()["items"]
    assert [(r["rate"], r["source"]) for r in listed] == [("0.8431", "ECB")]
    ((_, payload),) = await entries_of(engine, owner, done)
    assert payload.before is not None
    assert [Decimal(r["rate"]) for r in payload.before["rates"]] == [Decimal("0.9")]

    again = await client.post(f"{PATH}:import", content=FILE)
    assert again.json() == counts | {"created": 0, "updated": 0, "unchanged": 5}


async def test_a_file_with_a_fault_changes_nothing(act_as: ActAs, owner: Scope) -> None:
    client = act_as(owner)
    bad = FILE + "2025-03-12,oops,1,,,\n2025-13-01,1,1,,,\n"
    answer = await client.post(f"{PATH}:import", content=bad)
    assert_problem(answer, 422, "invalid-input", "#/4/USD", "#/5/Date")
    assert (await client.get(PATH)).json()["items"] == []
    assert_problem(await client.post(f"{PATH}:import", content=b""), 422, "invalid-input", "#/1")


async def test_the_whole_history_fits_in_one_file(act_as: ActAs, owner: Scope) -> None:
    days = [date.fromordinal(date(2020, 1, 1).toordinal() + n).isoformat() for n in range(2000)]
    codes = sorted(EXPONENTS.keys() - {"EUR"})[:20]
    lines = [f"Date,{','.join(codes)},", *(f"{d},{'1.2345,' * len(codes)}" for d in days)]
    answer = await act_as(owner).post(f"{PATH}:import", content="\n".join(lines))
    assert answer.json()["created"] == 40_000


async def test_rates_are_read_by_all_and_written_for_the_whole_organization(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    await act_as(owner).put(DAY, json={"rate": "1.1"})
    for role in (Role.MEMBER, Role.ANALYST, Role.VIEWER):
        client = act_as(await make_member(engine, owner.organization_id, role))
        assert (await client.get(DAY)).json()["rate"] == "1.1"
        for answer in (
            await client.put(DAY, json={"rate": "2"}),
            await client.delete(DAY),
            await client.post(f"{PATH}:import", content=FILE),
        ):
            assert_problem(answer, 403, "forbidden")


async def test_another_organizations_rates_are_not_there(
    act_as: ActAs, owner: Scope, engine: AsyncEngine
) -> None:
    await act_as(owner).put(DAY, json={"rate": "1.1"})
    client = act_as(await make_member(engine, await make_organization(engine)))
    assert (await client.get(PATH)).json()["items"] == []
    for answer in (await client.get(DAY), await client.delete(DAY)):
        assert_problem(answer, 404, "not-found")
    params = {"amount": "1", "from": "EUR", "to": "USD", "date": "2025-03-10"}
    assert (await client.get(f"{PATH}/convert", params=params)).json()["rate"] is None
    await client.put(DAY, json={"rate": "9"})
    assert (await act_as(owner).get(DAY)).json()["rate"] == "1.1"
