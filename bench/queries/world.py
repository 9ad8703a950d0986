"""A generation of cost events made in DuckDB itself, in the shape and order that a refresh gives.

Every million rows are 200 more people of one organization, from 25 to 9,975 rows each, 5,000 in
the mean. So the first 200 have the same rows however many others there are.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from backend.settings import PROJECT_ROOT, Settings
from backend.warehouse.build import build_dir
from backend.warehouse.contents import Contents, DbtResults, Source
from backend.warehouse.generation import DATABASE, MANIFEST, Generation, publish
from backend.warehouse.manifest import MARTS, MARTS_BY_DATE
from orchestration.dbt_project import prepare_manifest

MILLION = 1_000_000
PEOPLE_PER_MILLION = 200
ACCOUNTS_EACH = 4
FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)
ORGANIZATION = UUID("0b5e55ed-0000-4000-8000-000000000001")
CATEGORIES = 40
CACHE = PROJECT_ROOT / "var" / "bench"  # what the next run need not make again

# Ids that are spread like real ones; a person's begins with their number, so that the order of
# people is that of their numbers.
_MACROS = """
CREATE TEMP MACRO person_id(p) AS
    CAST(format('{:08x}', p) || substr(md5(format('person {}', p)), 9) AS UUID);
CREATE TEMP MACRO account_id(p, n) AS CAST(md5(format('account {} {}', p, n)) AS UUID);
CREATE TEMP MACRO category_id(c) AS CAST(md5(format('category {}', c)) AS UUID);
CREATE TEMP MACRO account_currency(p, n) AS
    CASE WHEN n < 2 OR p % 5 > 1 THEN 'EUR' WHEN p % 5 = 0 THEN 'USD' ELSE 'CHF' END;
CREATE TEMP MACRO share(h, bits) AS ((h >> bits) % 4096) / 4096.0;
"""

_EVENTS = """
INSERT INTO marts.fct_cost_events BY NAME
WITH placed AS (
    -- person p has the rows from 25 p² on, 25 (2 p + 1) of them
    SELECT i, CAST(floor(sqrt(i / 25.0)) AS BIGINT) AS p FROM range($rows) AS t(i)
),
drawn AS (
    SELECT
        $block * $people + p AS p,
        $block * $rows + i AS i,
        CAST(hash($block * $rows + i) >> 2 AS BIGINT) AS h,
        (i - 25 * p * p) / (25.0 * (2 * p + 1)) AS along
    FROM placed
),
chosen AS (
    SELECT
        *,
        [0, 0, 0, 0, 1, 1, 2, 3][1 + h % 8] AS account,
        CAST(floor($categories * pow(share(h, 8), 2)) AS INTEGER) AS category
    FROM drawn
),
priced AS (
    SELECT
        *,
        account = 3 AS is_cloud,
        account_currency(p, account) AS its_currency,
        CASE
            WHEN account = 3
            THEN CAST(exp(6 * share(h, 20)) * (h % 9999991) / 9999991.0 AS DECIMAL(28, 12))
            ELSE CAST(CAST(exp(1 + 6 * share(h, 20)) AS DECIMAL(18, 2)) AS DECIMAL(28, 12))
        END AS price
    FROM chosen
)
SELECT
    CAST($organization AS UUID) AS organization_id,
    CAST(md5(format('event {}', i)) AS UUID) AS cost_event_id,
    CASE WHEN is_cloud THEN 'cloud' ELSE 'expense' END AS source,
    CASE WHEN NOT is_cloud THEN CAST(md5(format('event {}', i)) AS UUID) END AS transaction_id,
    person_id(p) AS owner_id,
    account_id(p, account) AS account_id,
    CAST($first_day AS DATE) + CAST(floor(along * $days) AS INTEGER) AS cost_date,
    CASE WHEN NOT is_cloud THEN category_id(category) END AS category_id,
    CASE WHEN is_cloud THEN 'Nimbus' ELSE format('Vendor {:02d}-{:02d}', category, h % 10) END
        AS vendor,
    CASE WHEN is_cloud THEN ['Compute', 'Storage', 'Database', 'Network'][1 + (h >> 32) % 4] END
        AS service_name,
    CASE WHEN is_cloud THEN ['eu-central-1', 'eu-west-1', 'us-east-1'][1 + (h >> 40) % 3] END
        AS region,
    price AS amount,
    its_currency AS currency,
    CAST(
        price * CASE its_currency WHEN 'EUR' THEN 1 WHEN 'USD' THEN 0.92 ELSE 1.05 END
        AS DECIMAL(28, 12)
    ) AS base_amount,
    'EUR' AS base_currency,
    format('Card payment {} at till {}', h % 1000000, (h >> 24) % 100) AS description
FROM priced
ORDER BY owner_id, cost_date, cost_event_id
"""

_ACCOUNTS = """
INSERT INTO marts.dim_accounts BY NAME
SELECT
    CAST($organization AS UUID) AS organization_id,
    account_id(p, n) AS account_id,
    person_id(p) AS owner_id,
    format('Account {} of {}', n, p) AS name,
    ['bank', 'card', 'cash', 'cloud'][n + 1] AS type,
    account_currency(p, n) AS currency,
    'active' AS status
FROM range($people) AS people(p), range($accounts) AS accounts(n)
ORDER BY owner_id, account_id
"""

_CATEGORIES = """
INSERT INTO marts.dim_categories BY NAME
SELECT
    CAST($organization AS UUID) AS organization_id,
    category_id(c) AS category_id,
    CASE WHEN c >= 8 THEN category_id(c % 8) END AS parent_id,
    format('Category {:02d}', c) AS name,
    CASE WHEN c >= 8 THEN format('Category {:02d} / Category {:02d}', c % 8, c) ELSE name END
        AS path,
    CASE WHEN c >= 8 THEN 1 ELSE 0 END AS depth
FROM range($categories) AS categories(c)
ORDER BY category_id
"""


@dataclass(frozen=True, slots=True)
class World:
    """One published generation, and the instance that it was published in."""

    settings: Settings
    generation: Generation
    rows: int

    @property
    def people(self) -> int:
        return self.rows // MILLION * PEOPLE_PER_MILLION

    @property
    def database(self) -> Path:
        return self.settings.warehouse_dir / self.generation.id / DATABASE


def publish_world(settings: Settings, rows: int) -> World:
    """Publish a generation of `rows` cost events, a whole number of millions."""
    build = build_dir(settings.warehouse_dir)
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    manifest = prepare_manifest(Settings(home=CACHE))
    shutil.copy(manifest, build / MANIFEST)
    nodes = json.loads(manifest.read_text())["nodes"].values()
    models = [node for node in nodes if node["resource_type"] == "model"]
    with duckdb.connect(build / DATABASE, config={"memory_limit": "6GB"}) as connection:
        _create_tables(connection, models)
        _fill(connection, rows // MILLION)
        _copy_by_date(connection, models)
    now = datetime.now(UTC)
    contents = Contents(
        app_version=version("outlay"),
        source=Source(snapshot="1:1:", taken_at=now),
        organizations=1,
        tables={"fct_cost_events": rows},
        dbt=DbtResults(passed=0, warned=0, failed=0),
        reconciliation=[],
    )
    return World(settings, publish(build, contents, now=now), rows)


def _create_tables(connection: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    """Every mart with the columns that its contract names."""
    connection.execute(f"CREATE SCHEMA {MARTS}")
    for node in nodes:
        if node["schema"] == MARTS:
            columns = ", ".join(
                f'"{name}" {column["data_type"]}' for name, column in node["columns"].items()
            )
            connection.execute(f'CREATE TABLE {MARTS}."{node["name"]}" ({columns})')


def _copy_by_date(connection: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    connection.execute(f"CREATE SCHEMA {MARTS_BY_DATE}")
    for node in nodes:
        if node["schema"] == MARTS_BY_DATE:
            table = node["alias"]
            connection.execute(
                f"CREATE TABLE {MARTS_BY_DATE}.{table} AS FROM {MARTS}.{table} "
                "ORDER BY organization_id, cost_date, cost_event_id"
            )


def _fill(connection: duckdb.DuckDBPyConnection, millions: int) -> None:
    connection.execute(_MACROS)
    organization = {"organization": str(ORGANIZATION)}
    people = millions * PEOPLE_PER_MILLION
    connection.execute(_ACCOUNTS, organization | {"people": people, "accounts": ACCOUNTS_EACH})
    connection.execute(_CATEGORIES, organization | {"categories": CATEGORIES})
    for block in range(millions):  # each sorts after the one before
        connection.execute(
            _EVENTS,
            organization
            | {
                "block": block,
                "rows": MILLION,
                "people": PEOPLE_PER_MILLION,
                "categories": CATEGORIES,
                "first_day": FIRST_DAY,
                "days": (LAST_DAY - FIRST_DAY).days + 1,
            },
        )
