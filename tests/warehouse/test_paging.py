"""Pages put together are the dataset: every row once, in the stored order, however often read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from backend.scope import Role, Scope
from backend.settings import Settings
from backend.warehouse.snapshot import Snapshot
from backend.warehouse.spec import MAX_LIMIT, Filter, Operator, QuerySpec
from backend.warehouse.store import Warehouse
from tests.warehouse.hand_made import ACME, ALICE, BOB, TABLES, identity, publish_hand_made

ROWS = 300_000  # three row groups of DuckDB, so that its threads share the reading
ALICES = 60_000  # Alice's are stored first, the others are Bob's
ACCOUNTS = 400  # row n is of account n % ACCOUNTS, and one of 7 vendors
EVERY_OTHER, FEW = range(0, ACCOUNTS, 2), (7, 250, 399)
EVERYTHING = Scope(BOB, ACME, Role.OWNER)


def member(accounts: range | tuple[int, ...]) -> Scope:
    shared = frozenset(account(number) for number in accounts)
    return Scope(ALICE, ACME, Role.MEMBER, shared_account_ids=shared)


def account(number: int) -> UUID:
    return identity(1_000 + number)


def of_accounts(op: Operator, numbers: range | tuple[int, ...]) -> Filter:
    return Filter(field="account_id", op=op, value=[account(number) for number in numbers])


def _id(number: str) -> str:
    return f"CAST(lpad(to_hex({number}), 32, '0') AS UUID)"


def many_transactions() -> str:
    made = {
        "organization_id": f"UUID '{ACME}'",
        "transaction_id": _id("n"),
        "account_id": _id(f"1000 + n % {ACCOUNTS}"),
        "owner_id": f"CASE WHEN n < {ALICES} THEN UUID '{ALICE}' ELSE UUID '{BOB}' END",
        "vendor": "'V' || n % 7",
        "amount": "n",
    }
    columns = ", ".join(made.get(name, "NULL") for name in TABLES["fct_transactions"])
    return f"INSERT INTO marts.fct_transactions SELECT {columns} FROM range({ROWS}) AS t(n)"


BOBS_ACCOUNTS = f"""
INSERT INTO marts.dim_accounts
SELECT DISTINCT organization_id, account_id, owner_id, 'Account' FROM marts.fct_transactions
WHERE owner_id = UUID '{BOB}'
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    publish_hand_made(home / "warehouse", {}, statements=[many_transactions(), BOBS_ACCOUNTS])
    return home


@pytest.fixture
async def snapshot(home: Path) -> AsyncIterator[Snapshot]:
    warehouse = Warehouse(Settings(home=home, duckdb_threads=2))
    async with warehouse.snapshot() as snapshot:
        yield snapshot
    warehouse.close()


async def walk(
    snapshot: Snapshot, scope: Scope, filters: tuple[Filter, ...], limit: int
) -> list[int]:
    """The numbers of the rows, page after page."""
    numbers: list[int] = []
    offset: int | None = 0
    while offset is not None:
        spec = QuerySpec(
            dataset="fct_transactions",
            fields=("transaction_id",),
            filters=filters,
            limit=limit,
            offset=offset,
        )
        page = await snapshot.rows(spec, scope)
        numbers += [
            int(row["transaction_id"].replace("-", ""), 16) for row in json.loads(page.rows)
        ]
        offset = offset + limit if page.next_cursor else None
    return numbers


def every(rule: Callable[[int], bool]) -> Iterator[int]:
    return (n for n in range(ROWS) if rule(n))


Case = tuple[Scope, tuple[Filter, ...], Callable[[int], bool]]
CASES: dict[str, Case] = {
    "the whole organization": (EVERYTHING, (), lambda _: True),
    "a plain filter": (
        EVERYTHING,
        (Filter(field="vendor", op=Operator.EQ, value="V3"),),
        lambda n: n % 7 == 3,
    ),
    "many accounts": (
        EVERYTHING,
        (of_accounts(Operator.IN, EVERY_OTHER),),
        lambda n: n % 2 == 0,
    ),
    "few accounts": (
        EVERYTHING,
        (of_accounts(Operator.IN, FEW),),
        lambda n: n % ACCOUNTS in FEW,
    ),
    "all but many accounts": (
        EVERYTHING,
        (of_accounts(Operator.NOT_IN, EVERY_OTHER),),
        lambda n: n % 2 == 1,
    ),
    "one's own": (member(()), (), lambda n: n < ALICES),
    "one's own and many shared": (
        member(EVERY_OTHER),
        (),
        lambda n: n < ALICES or n % 2 == 0,
    ),
    "one's own and few shared": (
        member(FEW),
        (),
        lambda n: n < ALICES or n % ACCOUNTS in FEW,
    ),
    "many accounts of one's own and shared": (
        member(EVERY_OTHER),
        (of_accounts(Operator.IN, range(200)),),
        lambda n: n % ACCOUNTS < 200 and (n < ALICES or n % 2 == 0),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_pages_put_together_are_every_row_once_in_the_stored_order(
    case: str, snapshot: Snapshot
) -> None:
    scope, filters, rule = CASES[case]
    expected = list(every(rule))
    assert await walk(snapshot, scope, filters, MAX_LIMIT) == expected
    assert await walk(snapshot, scope, filters, 7_001) == expected


async def test_a_page_is_the_same_whenever_it_is_read(snapshot: Snapshot) -> None:
    for scope, filters, _ in CASES.values():
        spec = QuerySpec(dataset="fct_transactions", filters=filters, limit=1_000, offset=12_000)
        first = await snapshot.rows(spec, scope)
        for _ in range(5):
            assert (await snapshot.rows(spec, scope)).rows == first.rows
