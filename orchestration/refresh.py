"""The job `refresh` and its first and third stage: extract, (dbt,) reconcile."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import dagster as dg
from adbc_driver_manager import OperationalError

from backend.jobs.launcher import FULL_TAG, REFRESH_JOB
from backend.warehouse.build import BuildRecord
from backend.warehouse.checks import store_checks
from backend.warehouse.contents import Reconciled, Source
from backend.warehouse.crash_points import CrashPoint, crash_point
from backend.warehouse.extract import (
    TARGET_FILE,
    Extraction,
    TableRead,
    extract,
)
from backend.warehouse.incremental.base import Base
from backend.warehouse.reconcile import Comparison, reconcile
from backend.warehouse.source_queries import TABLES
from backend.warehouse.source_totals import SOURCE_TOTALS
from backend.warehouse.totals import TOTALS_TABLE
from orchestration.changes import observe
from orchestration.code import code_fingerprint
from orchestration.merging import merge_waiting
from orchestration.queues import REFRESHES, WORK_TAG
from orchestration.resources import OWNERS, POOL, Build, table_metadata
from orchestration.tables import describe

RECONCILIATION = dg.AssetKey("reconciliation")
SHOWN = 100  # differences; a fault usually touches many rows in the same way

_RECONCILED = sorted({fact.partition(".")[0] for fact in SOURCE_TOTALS})

_COMMON: dict[str, Any] = {
    "group_name": "source",
    "owners": OWNERS,
    "kinds": {"postgres", "duckdb"},
}
_RAW = [
    *(
        dg.AssetSpec(
            ["raw", table.name],
            description=f"What PostgreSQL has in `{table.name}`, as the refresh's snapshot saw it.",
            **_COMMON,
        )
        for table in TABLES
    ),
    dg.AssetSpec(
        ["raw", TOTALS_TABLE],
        description="What each mart must amount to, computed by PostgreSQL in the same snapshot.",
        **_COMMON,
    ),
    dg.AssetSpec(
        ["raw", "snapshot"], description="Which snapshot of PostgreSQL was read.", **_COMMON
    ),
]


@dg.multi_asset(
    name="extract",
    specs=_RAW,
    pool=POOL,
    retry_policy=dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def extract_source(
    context: dg.AssetExecutionContext, build: dg.ResourceParam[Build]
) -> Iterator[dg.MaterializeResult[Any]]:
    def report(read: TableRead) -> None:
        context.log.info("Read %d rows of %s in %.2f s.", read.rows, read.name, read.seconds)
        crash_point(CrashPoint.EXTRACT, build.crash_at)

    for merged in merge_waiting(context.instance, context.run):
        context.log.info("Run %s waited for what this run does.", merged)
    code = code_fingerprint()
    base = build.start(code)
    written, extraction = _extract(build, base, report)
    context.log.info("The refresh is %s. %s", extraction.kind, extraction.reason)
    record = build.record()
    record.code = code
    _describe(record, extraction, base)
    record.source = Source(
        snapshot=extraction.snapshot,
        taken_at=extraction.taken_at,
        **asdict(extraction.origin),
        written=written,
    )
    record.save(build.folder)
    tables = describe(build.folder / "source.duckdb")
    for spec in _RAW:
        table = tables["raw", spec.key.path[-1]]
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **table_metadata(table.columns, table.rows),
                "kind": extraction.kind,
                "reason": extraction.reason,
            },
        )


def _describe(record: BuildRecord, extraction: Extraction, base: Base | str) -> None:
    record.organizations = extraction.organizations
    record.kind, record.reason = extraction.kind, extraction.reason
    if extraction.changed is not None and isinstance(base, Base):
        record.changed = asdict(extraction.changed)
        record.merged = base.generation.merged + extraction.changed.lines


def _extract(
    build: Build, base: Base | str, report: Callable[[TableRead], None]
) -> tuple[str, Extraction]:
    """What was written until now, and everything as a snapshot sees it that is taken thereafter."""
    url = build.settings.role_url("outlay_extract").render_as_string(hide_password=False)
    try:
        written = observe(url).written
        return written, extract(url, build.folder, base=base, progress=report)
    except OperationalError:  # PostgreSQL is away, restarting or full: the retry policy's
        raise
    except Exception as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def reconciliation(marts: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=RECONCILIATION,
        deps=[["raw", TOTALS_TABLE], *marts],
        group_name="publication",
        owners=OWNERS,
        kinds={"duckdb"},
        description="Every mart against what PostgreSQL computed for it in the same snapshot.",
        check_specs=[
            dg.AssetCheckSpec(
                mart,
                asset=RECONCILIATION,
                blocking=True,
                description="Rows and amounts equal PostgreSQL's to the last digit.",
            )
            for mart in _RECONCILED
        ],
        pool=POOL,
    )
    def compare(build: dg.ResourceParam[Build]) -> Iterator[dg.MaterializeResult[Any]]:
        record = build.record()
        comparisons = reconcile(build.folder)
        if all(c.agrees for c in comparisons):
            store_checks(build.folder / TARGET_FILE, comparisons)
            record.reconciliation = by_currency(comparisons)
            record.save(build.folder)
        yield dg.MaterializeResult(
            metadata={"dagster/row_count": len(comparisons)},
            check_results=[_check(mart, comparisons) for mart in _RECONCILED],
        )

    return compare


def by_currency(comparisons: Sequence[Comparison]) -> list[Reconciled]:
    """Sums over the organizations."""
    figures: dict[tuple[str, str | None], list[Comparison]] = {}
    for comparison in comparisons:
        figures.setdefault((comparison.fact, comparison.currency), []).append(comparison)
    return [
        Reconciled(
            fact=fact,
            currency=currency,
            source_rows=sum(c.source_rows for c in group),
            mart_rows=sum(c.mart_rows for c in group),
            source_amount=_sum(c.source_amount for c in group),
            mart_amount=_sum(c.mart_amount for c in group),
        )
        for (fact, currency), group in figures.items()
    ]


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, start=Decimal(0)) if known else None


def _check(mart: str, comparisons: Sequence[Comparison]) -> dg.AssetCheckResult:
    compared = [c for c in comparisons if c.fact.partition(".")[0] == mart]
    differing = [c for c in compared if not c.agrees]
    return dg.AssetCheckResult(
        check_name=mart,
        passed=not differing,
        metadata={
            "compared": len(compared),
            "differing": len(differing),
            "totals": _table([total.model_dump() for total in by_currency(compared)]),
            **(
                {"differences": _table([asdict(c) for c in differing[:SHOWN]])} if differing else {}
            ),
        },
    )


def _table(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue:
    columns = list(rows[0]) if rows else []
    return dg.MetadataValue.table(
        [dg.TableRecord({name: str(value) for name, value in row.items()}) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )


refresh_job = dg.define_asset_job(
    REFRESH_JOB,
    selection=dg.AssetSelection.all(),
    description=(
        "Brings all marts up to date and publishes them as one generation, or nothing. With "
        f"the tag {FULL_TAG}=true it reads and builds everything anew."
    ),
    executor_def=dg.in_process_executor,
    # For a run whose process died; anew, since a generation is the work of one run.
    tags={
        WORK_TAG: REFRESHES,
        "dagster/max_retries": "1",
        "dagster/retry_strategy": "ALL_STEPS",
    },
)
