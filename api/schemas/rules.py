from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from pydantic import Field, field_serializer

from api.paging import PageParams
from api.schemas.common import (
    EXAMPLE_ID,
    Flag,
    Input,
    Name,
    NonNegativeAmount,
    Output,
    Patch,
    PlainDate,
    Versioned,
    absent,
    example,
)
from backend.ledger.categorised_history import Preview
from backend.ledger.models import TransactionKind
from backend.ledger.rule_models import CategorisationRule, RuleKind, TextMatch
from backend.ledger.rules import MAX_RULES
from backend.money import format_amount


class TextCondition(Input):
    """Without regard to case."""

    match: TextMatch = TextMatch.CONTAINS
    text: Name


_AMOUNT = "In the transaction's own currency; inclusive."


class RuleCreate(Input):
    """A transaction that meets every condition gets the category; the first such rule decides."""

    model_config = example(
        name="Trains", vendor={"match": "contains", "text": "rail"}, category_id=EXAMPLE_ID
    )

    name: Name
    vendor: TextCondition | None = None
    description: TextCondition | None = None
    min_amount: NonNegativeAmount | None = Field(None, description=_AMOUNT)
    max_amount: NonNegativeAmount | None = Field(None, description=_AMOUNT)
    account_id: UUID | None = None
    kind: RuleKind | None = Field(None, description="Transfers are never categorised.")
    category_id: UUID
    active: Flag = True

    def columns(self) -> dict[str, Any]:
        return _columns({name: getattr(self, name) for name in type(self).model_fields})


class RulePatch(Patch):
    name: Name = Field(default_factory=absent)
    vendor: TextCondition | None = None
    description: TextCondition | None = None
    min_amount: NonNegativeAmount | None = None
    max_amount: NonNegativeAmount | None = None
    account_id: UUID | None = None
    kind: RuleKind | None = None
    category_id: UUID = Field(default_factory=absent)
    active: Flag = Field(default_factory=absent)

    def columns(self) -> dict[str, Any]:
        return _columns(self.changes())


class TextConditionOut(Output):
    match: TextMatch
    text: str


class RuleOut(Versioned):
    id: UUID
    position: int
    name: str
    vendor: TextConditionOut | None
    description: TextConditionOut | None
    min_amount: str | None = Field(examples=["12.5"])
    max_amount: str | None = Field(examples=["100"])
    account_id: UUID | None = Field(description="Null also for an account you may not see.")
    kind: RuleKind | None
    category_id: UUID
    active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: CategorisationRule, accounts: Collection[UUID]) -> Self:
        same = ("id", "position", "name", "kind", "category_id", "active", "created_at")
        values: dict[str, Any] = {n: getattr(row, n) for n in (*same, "updated_at", "version")}
        return cls(
            **values,
            vendor=_condition(row.vendor_match, row.vendor_text),
            description=_condition(row.description_match, row.description_text),
            min_amount=_plain(row.min_amount),
            max_amount=_plain(row.max_amount),
            account_id=row.account_id if row.account_id in accounts else None,
        )


class RuleOrder(Input):
    model_config = example(ids=[EXAMPLE_ID])

    ids: list[UUID] = Field(max_length=MAX_RULES, description="Every rule; the first decides.")


class HistoryIn(Input):
    overwrite: Flag = Field(
        default=False, description="Also what has a category already, whoever gave it."
    )
    from_date: PlainDate | None = Field(None, description="The first day.")
    to_date: PlainDate | None = Field(None, description="The last day.")


class RulePreviewIn(HistoryIn):
    model_config = example(
        rule={"name": "Trains", "vendor": {"text": "rail"}, "category_id": EXAMPLE_ID}
    )

    rule: RuleCreate


class RuleSample(Output):
    id: UUID
    account_id: UUID
    kind: TransactionKind
    date: date
    amount: Decimal
    currency: str
    description: str
    vendor: str | None
    category_id: UUID | None

    @field_serializer("amount")
    def _amount(self, value: Decimal) -> str:
        return format_amount(value, self.currency)


class RulePreview(Output):
    """What the rule would do if it were the only one."""

    matching: int = Field(description="Transactions that meet its conditions.")
    changing: int = Field(description="Those of them that would get another category.")
    samples: list[RuleSample] = Field(description="The newest of those that would change.")

    @classmethod
    def of(cls, found: Preview) -> Self:
        return cls.model_validate(found)


class RuleChanges(Output):
    rule_id: UUID
    changed: int


class RulesApplied(Output):
    changed: int
    rules: list[RuleChanges] = Field(description="Those that changed anything.")


class RuleListParams(PageParams):
    pass


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    for name in ("vendor", "description"):
        if name in values:
            condition: TextCondition | None = values.pop(name)
            values[f"{name}_match"] = None if condition is None else condition.match
            values[f"{name}_text"] = None if condition is None else condition.text
    return values


def _condition(match: str | None, text: str | None) -> TextConditionOut | None:
    if match is None or text is None:
        return None
    return TextConditionOut(match=TextMatch(match), text=text)


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount.normalize(), "f")
