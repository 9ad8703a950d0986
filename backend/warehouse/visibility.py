"""The rows of a dataset that a scope may see: the one place where that is decided.

Each branch is a condition; a row meets at most one of them. They are put together with UNION ALL,
never with OR, so that each can use the order in which a mart is stored.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from backend.scope import Scope
from backend.warehouse.datasets import Dataset
from backend.warehouse.metadata import (
    AccountAccess,
    BudgetAccess,
    EveryoneAccess,
    PublicAccess,
)
from backend.warehouse.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Branch:
    """One reason to see rows: in SQL, and in words that follow "you see"."""

    condition: str
    words: str


def branches(dataset: Dataset, scope: Scope, parameters: Parameters) -> list[Branch]:
    """At least one."""
    access = dataset.access
    if isinstance(access, PublicAccess):
        return [Branch("true", "all rows: they belong to no organization")]
    organization = parameters.bind_as("organization", scope.organization_id)
    within = f'"{access.organization_column}" = {organization}'
    if isinstance(access, EveryoneAccess) or scope.sees_whole_organization:
        return [Branch(within, "all rows of your organization")]
    me = parameters.bind_as("me", scope.user_id)
    owner = f'"{access.owner_column}"'
    found = [Branch(f"{within} AND {owner} = {me}", "rows of your organization that you own")]
    if isinstance(access, AccountAccess):
        kind, name, shared = "account", "shared_accounts", scope.shared_account_ids
    else:
        kind, name, shared = "budget", "shared_budgets", scope.shared_budget_ids
    if shared:
        listed = f'"{access.shared_column}" = ANY({parameters.bind_as(name, sorted(shared))})'
        others = [f"{owner} IS DISTINCT FROM {me}", *_of_their_owners(dataset, within, listed)]
        condition = " AND ".join([within, listed, *others])
        kinds = kind if len(shared) == 1 else f"{kind}s"
        found.append(Branch(condition, f"rows of {len(shared)} {kinds} shared with you"))
    return found


def _of_their_owners(dataset: Dataset, within: str, listed: str) -> list[str]:
    """Whose rows those of the `listed` accounts are, which the rows themselves say already.

    Marts are stored by owner, so that DuckDB passes over everybody else's (measured on 10 M rows:
    5 ms instead of 99).
    """
    return [
        f'"{access.owner_column}" IN (SELECT "{target.access.owner_column}"'  # noqa: S608  # declared
        f" FROM {target.relation} WHERE {within} AND {listed})"
        for name, target in dataset.targets.items()
        if isinstance(access := dataset.access, AccountAccess)
        and isinstance(target.access, AccountAccess)
        and dataset.joins[name].on == access.shared_column == target.access.shared_column
        and access.organization_column == target.access.organization_column
    ]


def row_filter(dataset: Dataset, scope: Scope) -> str:
    """Which rows the scope sees, in words."""
    words = ", plus ".join(branch.words for branch in branches(dataset, scope, Parameters()))
    return f"{words[0].upper()}{words[1:]}."


def is_hidden(dataset: Dataset, column: str, scope: Scope) -> bool:
    """Whether the column is empty to this scope, which then may not search or sort by it either."""
    return column in dataset.access.restricted_columns and not scope.sees_whole_organization


@lru_cache(maxsize=4096)
def fingerprint(scope: Scope) -> str:
    """Equal for the same user with the same sight: only such scopes may share an answer."""
    sight = [
        str(scope.organization_id),
        str(scope.user_id),
        scope.role,
        sorted(map(str, scope.shared_account_ids)),
        sorted(map(str, scope.shared_budget_ids)),
        scope.base_currency,
        scope.time_zone,
        scope.fiscal_year_start_month,
    ]
    return hashlib.sha256(json.dumps(sight).encode()).hexdigest()


def guarding_join(dataset: Dataset, column: str, scope: Scope) -> str | None:
    """The join by way of which a key is read, where the scope may not see all that it leads to.

    So it comes out empty, and finds nothing, where it would name what the scope may not see.
    """
    if scope.sees_whole_organization or _decides_rows(dataset, column):
        return None
    for name, join in dataset.joins.items():
        target = dataset.targets[name]
        if join.on == column and isinstance(target.access, AccountAccess | BudgetAccess):
            return name
    return None


def _decides_rows(dataset: Dataset, column: str) -> bool:
    """Whether who sees a row sees what this column of it names, too."""
    access = dataset.access
    return isinstance(access, AccountAccess | BudgetAccess) and column == access.shared_column
