"""Rules by which lines count in budgets: resolved in PostgreSQL, whatever changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from backend.budgets.models import Budget, BudgetAttribution, BudgetRule
from backend.db.engine import organization_session
from backend.ledger.models import Account, AccountShare, Transaction, TransactionTag
from backend.scope import Role, Scope
from tests import factories


class Ledger:
    """A session in one organization, with an account and short ways to make rows."""

    def __init__(self, session: AsyncSession, owner: Scope, account: Account) -> None:
        self.session, self.owner, self.account = session, owner, account

    async def budget(self, **values: object) -> Budget:
        return await factories.add_budget(self.session, self.owner.user_id, **values)

    async def rule(self, budget: Budget, **conditions: object) -> BudgetRule:
        rule = BudgetRule(budget_id=budget.id, **conditions)
        self.session.add(rule)
        await self.session.flush()
        return rule

    async def expense(self, **values: object) -> UUID:
        return (await factories.add_transaction(self.session, self.account.id, **values)).id

    async def counted(self) -> dict[tuple[UUID, UUID], UUID]:
        """(line, root) to the budget."""
        rows = await self.session.execute(
            select(
                BudgetAttribution.line_id, BudgetAttribution.root_id, BudgetAttribution.budget_id
            )
        )
        return {(line, root): budget for line, root, budget in rows}

    async def budgets_of(self, line: UUID) -> set[UUID]:
        return {budget for (at, _), budget in (await self.counted()).items() if at == line}


@pytest.fixture
async def owner(engine: AsyncEngine) -> Scope:
    return await factories.make_member(engine, await factories.make_organization(engine))


@pytest.fixture
async def ledger(engine: AsyncEngine, owner: Scope) -> AsyncIterator[Ledger]:
    async with organization_session(engine, owner.organization_id) as session:
        yield Ledger(session, owner, await factories.add_account(session, owner.user_id))


async def test_a_rule_matches_its_category_and_all_below(ledger: Ledger) -> None:
    food = await factories.add_category(ledger.session)
    groceries = await factories.add_category(ledger.session, parent_id=food.id)
    other = await factories.add_category(ledger.session)
    budget = await ledger.budget()
    rule = await ledger.rule(budget, category_id=food.id)
    lines = [await ledger.expense(category_id=c.id) for c in (food, groceries, other)]
    await ledger.expense()
    assert await ledger.counted() == {(line, budget.id): budget.id for line in lines[:2]}
    found = (await ledger.session.scalars(select(BudgetAttribution))).all()
    assert {(a.rule, a.rule_id) for a in found} == {("matched", rule.id)}


async def test_only_expenses_and_refunds_of_the_budgets_days_match(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    budget = await ledger.budget()
    await ledger.rule(budget, category_id=category.id)
    inside = [
        await ledger.expense(category_id=category.id, date=date(2025, 1, 1)),
        await ledger.expense(category_id=category.id, date=date(2025, 12, 31), kind="refund"),
    ]
    await ledger.expense(category_id=category.id, date=date(2024, 12, 31))
    await ledger.expense(category_id=category.id, date=date(2026, 1, 1))
    await ledger.expense(category_id=category.id, kind="income")
    await ledger.expense(category_id=category.id, kind="transfer")
    assert {line for line, _ in await ledger.counted()} == set(inside)


async def test_the_explicit_budget_wins_in_its_tree_only(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    top = await ledger.budget()
    named, ruled = [await ledger.budget(parent_id=top.id) for _ in range(2)]
    elsewhere = await ledger.budget()
    await ledger.rule(ruled, category_id=category.id)
    await ledger.rule(elsewhere, category_id=category.id)
    line = await ledger.expense(category_id=category.id, budget_id=named.id)
    assert await ledger.counted() == {
        (line, top.id): named.id,
        (line, elsewhere.id): elsewhere.id,
    }


async def test_the_most_specific_rule_of_a_tree_wins(ledger: Ledger) -> None:
    food = await factories.add_category(ledger.session)
    groceries = await factories.add_category(ledger.session, parent_id=food.id)
    tag = await factories.add_tag(ledger.session)
    top = await ledger.budget()
    first, near, exact, late = [await ledger.budget(parent_id=top.id) for _ in range(4)]
    await ledger.rule(first, category_id=food.id)
    await ledger.rule(near, category_id=groceries.id)
    await ledger.rule(late, category_id=groceries.id)
    await ledger.rule(exact, category_id=food.id, tag_id=tag.id)
    assert await ledger.budgets_of(await ledger.expense(category_id=food.id)) == {first.id}
    # A nearer category is more specific; of two that are equal the older rule wins.
    assert await ledger.budgets_of(await ledger.expense(category_id=groceries.id)) == {near.id}
    tagged = await ledger.expense(category_id=groceries.id, tag_ids=(tag.id,))
    assert await ledger.budgets_of(tagged) == {exact.id}


async def test_splits_match_by_their_own_category_and_tag(ledger: Ledger) -> None:
    food, fun = [await factories.add_category(ledger.session) for _ in range(2)]
    kids = await factories.add_tag(ledger.session)
    eating, playing, children = [await ledger.budget() for _ in range(3)]
    await ledger.rule(eating, category_id=food.id)
    await ledger.rule(playing, category_id=fun.id)
    await ledger.rule(children, tag_id=kids.id)
    whole = await ledger.expense(category_id=food.id)
    part = await factories.add_split(ledger.session, whole, Decimal(4), category_id=fun.id)
    rest = await factories.add_split(ledger.session, whole, Decimal(6), tag_id=kids.id)
    assert await ledger.counted() == {
        (part.id, playing.id): playing.id,
        (rest.id, eating.id): eating.id,
        (rest.id, children.id): children.id,
    }


async def test_a_rule_may_name_the_account(ledger: Ledger) -> None:
    other = await factories.add_account(ledger.session, ledger.owner.user_id)
    budget = await ledger.budget()
    await ledger.rule(budget, account_id=ledger.account.id)
    mine = await ledger.expense()
    await factories.add_transaction(ledger.session, other.id)
    assert {line for line, _ in await ledger.counted()} == {mine}


async def test_rules_made_later_find_what_was_booked_before(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    budget, other = await ledger.budget(), await ledger.budget()
    line = await ledger.expense(category_id=category.id)
    assert await ledger.counted() == {}
    rule = await ledger.rule(budget, category_id=category.id)
    assert await ledger.budgets_of(line) == {budget.id}
    rule.budget_id = other.id
    await ledger.session.flush()
    await ledger.session.execute(text("UPDATE budgets SET ends_on = '2025-03-09'"))
    assert await ledger.budgets_of(line) == set()
    await ledger.session.execute(text("UPDATE budgets SET ends_on = '2025-12-31'"))
    assert await ledger.budgets_of(line) == {other.id}
    await ledger.session.delete(rule)
    await ledger.session.flush()
    assert await ledger.counted() == {}


async def test_many_at_once_are_matched_like_one(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    tag = await factories.add_tag(ledger.session)
    budget, tagged = await ledger.budget(), await ledger.budget()
    await ledger.rule(budget, category_id=category.id)
    await ledger.rule(tagged, tag_id=tag.id)
    rows = [
        {
            "organization_id": ledger.owner.organization_id,
            "id": uuid4(),
            "account_id": ledger.account.id,
            "kind": "expense",
            "date": date(2025, 3, 10),
            "amount": Decimal(1),
            "currency": "EUR",
            "description": "One of many",
            "category_id": category.id if n % 2 else None,
            "budget_id": None if n % 3 else budget.id,
        }
        for n in range(200)
    ]
    await ledger.session.execute(insert(Transaction), rows)
    await ledger.session.execute(
        insert(TransactionTag),
        [
            {
                "transaction_id": row["id"],
                "tag_id": tag.id,
                "organization_id": row["organization_id"],
            }
            for row in rows[:150]
        ],
    )
    expected = {
        (row["id"], budget.id): budget.id
        for row in rows
        if row["category_id"] is not None or row["budget_id"] is not None
    }
    expected |= {(row["id"], tagged.id): tagged.id for row in rows[:150]}
    assert await ledger.counted() == expected


async def test_what_stays_as_it_is_is_not_written_again(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    budget = await ledger.budget()
    await ledger.rule(budget, category_id=category.id)
    await ledger.expense(category_id=category.id)
    place = text("SELECT ctid::text FROM budget_attributions")
    before = await ledger.session.scalar(place)
    await ledger.session.execute(text("UPDATE transactions SET description = 'Other'"))
    await ledger.rule(budget, account_id=ledger.account.id)
    await ledger.session.execute(text("UPDATE budgets SET ends_on = '2026-12-31'"))
    assert await ledger.session.scalar(place) == before


async def test_attributions_follow_tags_and_categories(ledger: Ledger) -> None:
    home, food = [await factories.add_category(ledger.session) for _ in range(2)]
    tag = await factories.add_tag(ledger.session)
    by_category, by_tag = await ledger.budget(), await ledger.budget()
    await ledger.rule(by_category, category_id=home.id)
    await ledger.rule(by_tag, tag_id=tag.id)
    line = await ledger.expense(category_id=food.id)
    assert await ledger.budgets_of(line) == set()
    ledger.session.add(TransactionTag(transaction_id=line, tag_id=tag.id))
    await ledger.session.flush()
    assert await ledger.budgets_of(line) == {by_tag.id}
    food.parent_id = home.id
    await ledger.session.flush()
    assert await ledger.budgets_of(line) == {by_tag.id, by_category.id}
    await ledger.session.execute(text("DELETE FROM transaction_tags"))
    food.parent_id = None
    await ledger.session.flush()
    assert await ledger.budgets_of(line) == set()
    await ledger.session.execute(text("UPDATE transactions SET category_id = :id"), {"id": home.id})
    assert await ledger.budgets_of(line) == {by_category.id}
    await ledger.session.execute(text("UPDATE transactions SET deleted_at = now()"))
    assert await ledger.counted() == {}


async def test_two_trees_that_become_one_count_each_line_once(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    left, right = await ledger.budget(), await ledger.budget()
    await ledger.rule(right, category_id=category.id)
    line = await ledger.expense(category_id=category.id, budget_id=left.id)
    assert len(await ledger.counted()) == 2
    right.parent_id = left.id
    await ledger.session.flush()
    assert await ledger.counted() == {(line, left.id): left.id}
    right.parent_id = None
    await ledger.session.flush()
    assert await ledger.counted() == {(line, left.id): left.id, (line, right.id): right.id}


async def test_what_a_deleted_budget_matched_falls_to_the_next_rule(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    top = await ledger.budget()
    gone, kept = [await ledger.budget(parent_id=top.id) for _ in range(2)]
    for budget in (gone, kept):
        await ledger.rule(budget, category_id=category.id)
    line = await ledger.expense(category_id=category.id)
    assert await ledger.budgets_of(line) == {gone.id}
    await ledger.session.delete(gone)
    await ledger.session.flush()
    assert await ledger.budgets_of(line) == {kept.id}


async def test_an_archived_budget_matches_no_more_of_what_comes(ledger: Ledger) -> None:
    category = await factories.add_category(ledger.session)
    budget = await ledger.budget(ends_on=date(2044, 12, 31))
    await ledger.rule(budget, category_id=category.id)
    before = await ledger.expense(category_id=category.id)
    after = await ledger.expense(category_id=category.id, date=date(2044, 1, 1))
    await ledger.session.execute(text("UPDATE budgets SET archived_at = now()"))
    assert (await ledger.budgets_of(before), await ledger.budgets_of(after)) == (
        {budget.id},
        set(),
    )


async def test_a_members_rule_ends_with_the_share_it_was_made_by(
    engine: AsyncEngine, owner: Scope
) -> None:
    member = await factories.make_member(engine, owner.organization_id, Role.MEMBER)
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id)
        await factories.share_account(session, account.id, member.user_id)
        await factories.add_transaction(session, account.id)
        for maker in (member, owner):
            budget = await factories.add_budget(session, maker.user_id)
            rule = {"account_id": account.id, "created_by": maker.user_id}
            session.add(BudgetRule(budget_id=budget.id, **rule))
        await session.flush()
        assert len((await session.scalars(select(BudgetAttribution))).all()) == 2
        share = (owner.organization_id, account.id, member.user_id)
        await session.delete(await session.get_one(AccountShare, share))
        await session.flush()
        left = (await session.scalars(select(BudgetRule.created_by))).all()
        assert left == [owner.user_id]
        assert len((await session.scalars(select(BudgetAttribution))).all()) == 1


async def test_rules_never_reach_another_organization(engine: AsyncEngine, ledger: Ledger) -> None:
    budget = await ledger.budget()
    await ledger.rule(budget, account_id=ledger.account.id)
    await ledger.session.commit()
    other = await factories.make_member(engine, await factories.make_organization(engine))
    async with organization_session(engine, other.organization_id) as session:
        account = await factories.add_account(session, other.user_id)
        await factories.add_transaction(session, account.id)
        assert (await session.scalars(select(BudgetAttribution))).all() == []
