"""What was spent, against a count by hand; and what it leaves out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.db.engine import organization_session
from backend.ledger.models import Transaction, TransactionSplit
from backend.scope import Role
from tests.api.books import NOBODYS, Books, open_books
from tests.api.conftest import ActAs
from tests.api.problem import assert_problem
from tests.factories import (
    add_account,
    add_category,
    add_rate,
    add_split,
    add_tag,
    add_transaction,
    make_member,
    make_organization,
    share_account,
)

ANALYTICS = "/api/expenses/analytics"
MARCH = {"from_date": "2025-03-01", "to_date": "2025-03-31"}


async def ask(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get(ANALYTICS, params=MARCH | query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def amounts(bucket: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {a["currency"]: (a["spent"], a["previous"]) for a in bucket["amounts"]}


def base(bucket: dict[str, Any]) -> tuple[str, str]:
    assert bucket["base"]["currency"] == "EUR"
    return bucket["base"]["spent"], bucket["base"]["previous"]


async def test_what_counts_and_where(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        other = await add_category(session)
        second = await add_tag(session)
        await add_rate(session, "USD", "EUR", date(2025, 3, 3), Decimal("0.5"))

        async def spend(day: str, amount: str, **values: Any) -> Transaction:
            on, money = date.fromisoformat(day), Decimal(amount)
            return await add_transaction(session, books.account.id, date=on, amount=money, **values)

        category, tag = books.category.id, books.tag.id
        await spend("2025-03-01", "10", category_id=category, vendor="A", tag_ids=(tag, second.id))
        await spend("2025-03-31", "5", category_id=category, status="pending", vendor="B")
        await spend("2025-03-15", "2", category_id=category, kind="refund", vendor="A")
        split = await spend("2025-03-10", "9", category_id=category, tag_ids=(tag,))
        await add_split(session, split.id, Decimal(4), category_id=other.id, tag_id=second.id)
        await add_split(session, split.id, Decimal(5))
        await spend("2025-03-05", "20", currency="USD", payment_method="paypal")
        await spend("2025-03-20", "30", currency="USD", payment_method="paypal")  # no rate by then
        await spend("2025-02-28", "7", category_id=category, vendor="A")
        for left_out in (
            {"kind": "income"},
            {"kind": "transfer"},
            {"status": "cancelled"},
            {"status": "refunded"},
        ):
            await spend("2025-03-10", "1000", **left_out)
        await spend("2025-04-01", "1000")
        await spend("2025-01-31", "1000")
        (await spend("2025-03-10", "1000")).deleted_at = split.created_at
    told = await ask(act_as(books.scope))
    assert told["period"] == {"from_date": "2025-03-01", "to_date": "2025-03-31"}
    assert told["previous_period"] == {"from_date": "2025-02-01", "to_date": "2025-02-28"}
    total = told["total"]
    assert amounts(total) == {"EUR": ("22.00", "7.00"), "USD": ("50.00", "0.00")}
    assert base(total) == ("32.00", "7.00")
    assert (total["lines"], total["previous_lines"]) == (7, 1)
    assert (total["unconverted"], total["previous_unconverted"]) == (1, 0)

    by_category = {c["category_id"]: (c["name"], *base(c)) for c in told["by_category"]}
    assert by_category == {
        str(category): (books.category.name, "18.00", "7.00"),
        None: (None, "10.00", "0.00"),
        str(other.id): (other.name, "4.00", "0.00"),
    }
    assert [c["base"]["spent"] for c in told["by_category"]] == ["18.00", "10.00", "4.00"]
    by_vendor = {v["vendor"]: base(v) for v in told["by_vendor"]}
    assert by_vendor == {None: ("19.00", "0.00"), "A": ("8.00", "7.00"), "B": ("5.00", "0.00")}
    by_tag = {t["tag_id"]: (t["name"], *base(t)) for t in told["by_tag"]}
    assert by_tag == {
        str(tag): (books.tag.name, "15.00", "0.00"),
        str(second.id): (second.name, "14.00", "0.00"),
        None: (None, "13.00", "7.00"),
    }
    by_method = {m["payment_method"]: base(m) for m in told["by_payment_method"]}
    assert by_method == {None: ("22.00", "7.00"), "paypal": ("10.00", "0.00")}
    (month,) = told["by_month"]
    assert (month["month"], base(month)) == ("2025-03-01", ("32.00", "7.00"))


async def test_months_have_the_period_before_beside_them(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        for day, amount in (
            ("2024-10-31", 1),
            ("2024-11-30", 2),
            ("2024-12-31", 4),
            ("2025-01-01", 8),
            ("2025-03-31", 16),
        ):
            on = date.fromisoformat(day)
            await add_transaction(session, books.account.id, date=on, amount=Decimal(amount))
    client = act_as(books.scope)
    told = await ask(client, from_date="2025-01-01")
    assert told["previous_period"] == {"from_date": "2024-10-01", "to_date": "2024-12-31"}
    assert [(m["month"], *base(m)) for m in told["by_month"]] == [
        ("2025-01-01", "8.00", "1.00"),
        ("2025-02-01", "0.00", "2.00"),
        ("2025-03-01", "16.00", "4.00"),
    ]
    # Days that are no whole months: as many days before, each moved on by as many.
    told = await ask(client, from_date="2024-12-30", to_date="2025-01-29")
    assert told["previous_period"] == {"from_date": "2024-11-29", "to_date": "2024-12-29"}
    assert [(m["month"], *base(m)) for m in told["by_month"]] == [
        ("2024-12-01", "4.00", "2.00"),
        ("2025-01-01", "8.00", "0.00"),
    ]


async def test_a_missing_day_is_of_the_others_month(act_as: ActAs, books: Books) -> None:
    client = act_as(books.scope)

    async def period(**query: str) -> tuple[str, str]:
        told = (await client.get(ANALYTICS, params=query)).json()["period"]
        return told["from_date"], told["to_date"]

    assert await period(from_date="2024-02-05") == ("2024-02-05", "2024-02-29")
    assert await period(to_date="2024-02-05") == ("2024-02-01", "2024-02-05")
    first, last = [date.fromisoformat(day) for day in await period()]
    assert first.day == (last + timedelta(days=1)).day == 1
    assert (last - first).days < 31


async def test_vendors_beyond_the_top_are_added_up(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        for n in range(1, 8):
            await add_transaction(
                session, books.account.id, amount=Decimal(n), vendor=f"Vendor {n}"
            )
        await add_transaction(
            session,
            books.account.id,
            amount=Decimal(50),
            vendor="Last month",
            date=date(2025, 2, 1),
        )
    told = await ask(act_as(books.scope), top=3)
    assert [v["vendor"] for v in told["by_vendor"]] == ["Vendor 7", "Vendor 6", "Vendor 5"]
    other = told["other_vendors"]
    assert (other["vendors"], base(other), other["lines"]) == (5, ("10.00", "50.00"), 4)
    assert amounts(other) == {"EUR": ("10.00", "50.00")}


async def test_filters(act_as: ActAs, books: Books, engine: AsyncEngine) -> None:
    async with organization_session(engine, books.scope.organization_id) as session:
        below = await add_category(session, parent_id=books.category.id)
        savings = await add_account(session, books.scope.user_id)

        async def spend(amount: int, **values: Any) -> Transaction:
            account_id = values.pop("account_id", books.account.id)
            return await add_transaction(session, account_id, amount=Decimal(amount), **values)

        await spend(1, account_id=savings.id)
        await spend(2, category_id=books.category.id, tag_ids=(books.tag.id,))
        await spend(4, category_id=below.id, vendor="Big Shop")
        await spend(8, status="pending", payment_method="cash")
        await spend(16, currency="USD")
        split = await spend(96)
        await add_split(session, split.id, Decimal(32), category_id=below.id)
        await add_split(session, split.id, Decimal(64), tag_id=books.tag.id)
    client = act_as(books.scope)

    async def spent(**query: Any) -> int:
        """Of all currencies together, so that each line shows as a bit."""
        told = await ask(client, **query)
        return sum(int(Decimal(now)) for now, _ in amounts(told["total"]).values())

    category = str(books.category.id)
    assert await spent() == 127
    assert await spent(account_id=savings.id) == 1
    assert await spent(category_id=category) == 2
    assert await spent(category_id=category, include_subcategories="true") == 2 + 4 + 32
    assert await spent(tag_id=books.tag.id) == 2 + 64
    assert await spent(vendor="big shop") == 4
    assert await spent(status="pending") == 8
    assert await spent(payment_method="cash") == 8
    assert await spent(currency="USD") == 16


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from_date": "2025-04-01"}, "to_date"),
        ({"from_date": "soon"}, "from_date"),
        ({"top": 0}, "top"),
        ({"status": "cancelled"}, "status"),
        ({"currency": "QQQ"}, "currency"),
        ({"accont_id": NOBODYS}, "accont_id"),
    ],
)
async def test_bad_parameters(
    act_as: ActAs, books: Books, query: dict[str, Any], pointer: str
) -> None:
    answer = await act_as(books.scope).get(ANALYTICS, params=MARCH | query)
    assert_problem(answer, 422, "invalid-input", pointer)


async def test_only_what_one_sees_is_in_it(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    organization_id = books.scope.organization_id
    member = await make_member(engine, organization_id, Role.MEMBER)
    viewer = await make_member(engine, organization_id, Role.VIEWER)
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    async with organization_session(engine, organization_id) as session:
        own = await add_account(session, member.user_id)
        await add_transaction(session, own.id, amount=Decimal(1))
        await add_transaction(session, books.account.id, amount=Decimal(2), vendor="Hidden")
        await share_account(session, own.id, viewer.user_id)
    async with organization_session(engine, theirs.scope.organization_id) as session:
        await add_transaction(session, theirs.account.id, amount=Decimal(4))
    for scope, spent in ((books.scope, "3.00"), (member, "1.00"), (viewer, "1.00")):
        told = await ask(act_as(scope))
        assert base(told["total"])[0] == spent
        assert ("Hidden" in str(told)) == (scope is books.scope)
    for scope, foreign in ((member, books.account.id), (books.scope, theirs.account.id)):
        for name, identity in (("account_id", foreign), ("tag_id", theirs.tag.id)):
            for unknown in (identity, NOBODYS):
                answer = await act_as(scope).get(ANALYTICS, params={name: str(unknown)})
                assert_problem(answer, 404, "not-found")


async def test_it_is_what_a_count_by_hand_gives(
    act_as: ActAs, books: Books, engine: AsyncEngine
) -> None:
    chance = random.Random(5)  # noqa: S311  # repeatable is what is wanted
    async with organization_session(engine, books.scope.organization_id) as session:
        lines = [line async for line in _lines(session, books, chance)]
    first, last, before = date(2025, 2, 1), date(2025, 4, 30), date(2024, 11, 1)
    told = await ask(act_as(books.scope), from_date=first, to_date=last, top=100)

    def by_hand(of: str) -> tuple[Counter[Hashable], Counter[Hashable]]:
        now: Counter[Hashable] = Counter()
        previous: Counter[Hashable] = Counter()
        for line in lines:
            if before <= line["date"] <= last:
                kept = now if line["date"] >= first else previous
                for key in line[of]:
                    kept[key, line["currency"]] += line["amount"]
        return now, previous

    def as_told(buckets: str, of: str) -> tuple[Counter[Hashable], Counter[Hashable]]:
        now: Counter[Hashable] = Counter()
        previous: Counter[Hashable] = Counter()
        for bucket in told[buckets]:
            for currency, (spent, earlier) in amounts(bucket).items():
                now[bucket[of], currency] += Decimal(spent)
                previous[bucket[of], currency] += Decimal(earlier)
        return now, previous

    for buckets, of in (
        ("by_category", "category_id"),
        ("by_vendor", "vendor"),
        ("by_tag", "tag_id"),
        ("by_payment_method", "payment_method"),
    ):
        assert as_told(buckets, of) == by_hand(of), buckets


async def _lines(session: AsyncSession, books: Books, chance: random.Random) -> Any:
    """Random transactions; yields each line that counts, its keys as lists."""
    tags = [books.tag, await add_tag(session)]
    categories = [books.category, await add_category(session)]
    for _ in range(60):
        chosen = [tag for tag in tags if chance.random() < 0.4]
        category = chance.choice([None, *categories])
        row = await add_transaction(
            session,
            books.account.id,
            tag_ids=tuple(tag.id for tag in chosen),
            date=date(2024, 10, 20) + timedelta(days=chance.randint(0, 210)),
            kind=chance.choice(["expense", "expense", "refund", "income"]),
            status=chance.choice(["paid", "paid", "pending", "cancelled"]),
            amount=Decimal(chance.randint(100, 9_999)),
            currency=chance.choice(["EUR", "USD", "JPY"]),
            category_id=category and category.id,
            vendor=chance.choice([None, "A", "B"]),
            payment_method=chance.choice([None, "cash"]),
        )
        parts: list[TransactionSplit | None] = [None]
        if chance.random() < 0.5:
            small = Decimal(chance.randint(1, 99))
            parts = [
                await add_split(
                    session,
                    row.id,
                    amount,
                    category_id=chance.choice([None, categories[1].id]),
                    tag_id=chance.choice([None, tags[0].id]),
                )
                for amount in (small, row.amount - small)
            ]
        if row.kind == "income" or row.status == "cancelled":
            continue
        for line in _counted(row, parts, [str(tag.id) for tag in chosen]):
            yield line


def _counted(
    row: Transaction, parts: list[TransactionSplit | None], tags: list[str]
) -> Iterator[dict[str, Any]]:
    for part in parts:
        category = (part and part.category_id) or row.category_id
        yield {
            "date": row.date,
            "currency": row.currency,
            "amount": (part or row).amount * (1 if row.kind == "expense" else -1),
            "category_id": [category and str(category)],
            "vendor": [row.vendor],
            "payment_method": [row.payment_method],
            "tag_id": [str(part.tag_id)] if part and part.tag_id else tags or [None],
        }
