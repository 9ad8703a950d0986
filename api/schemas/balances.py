from __future__ import annotations

from datetime import date
from typing import Self

from api.paging import PageParams
from api.schemas.common import DayRange, Input, Output, SignedAmount
from backend.ledger.models import Account, BalanceSnapshot
from backend.money import format_amount


class BalancePut(Input):
    """In the account's currency; negative for what is owed."""

    balance: SignedAmount


class BalanceOut(Output):
    date: date
    balance: str
    currency: str

    @classmethod
    def of(cls, snapshot: BalanceSnapshot, account: Account) -> Self:
        return cls(
            date=snapshot.date,
            balance=format_amount(snapshot.balance, account.currency),
            currency=account.currency,
        )


class BalanceListParams(PageParams, DayRange):
    pass
