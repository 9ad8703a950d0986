"""The datasets: which there are and what may be asked of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.answers import headers
from api.deps import CurrentScope, SettingsDep, WarehouseDep
from api.problems import READ_RESPONSES
from api.query_parameters import refuse_repetition
from api.schemas.analytics import Parameters
from api.schemas.datasets import DatasetEntry, DatasetList, DatasetSchema, Limits
from backend.periods import today_in
from backend.warehouse import catalogue
from backend.warehouse.examples import example
from backend.warehouse.measure_catalogue import measures
from backend.warehouse.visibility import row_filter

DatasetId = Annotated[str, Path(examples=["fct_transactions"])]

router = APIRouter(
    prefix="/api/analytics/datasets",
    tags=["datasets"],
    responses=READ_RESPONSES,
    dependencies=[Depends(refuse_repetition)],
)


@router.get("")
async def list_datasets(
    _: Annotated[Parameters, Query()],
    scope: CurrentScope,  # noqa: ARG001  # known callers only
    warehouse: WarehouseDep,
    response: Response,
) -> DatasetList:
    async with warehouse.snapshot() as snapshot:
        response.headers.update(headers(stale=snapshot.is_stale))
        return DatasetList(
            items=[DatasetEntry.of(dataset) for dataset in snapshot.datasets.values()],
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
        )


@router.get("/{dataset_id}/schema")
async def get_dataset_schema(  # what a request brings
    dataset_id: DatasetId,
    _: Annotated[Parameters, Query()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
    settings: SettingsDep,
    response: Response,
) -> DatasetSchema:
    """What you may ask of the dataset; what is empty for you is no dimension and no measure."""
    async with warehouse.snapshot() as snapshot:
        dataset = snapshot.dataset(dataset_id)
        counts = await snapshot.counts(scope, [dataset])
        response.headers.update(headers(stale=snapshot.is_stale))
        today = today_in(scope.time_zone, snapshot.now)
        return DatasetSchema(
            **DatasetEntry.of(dataset).model_dump(),
            row_filter=row_filter(dataset, scope),
            row_count=counts[dataset.id],
            columns=catalogue.columns(dataset, scope),
            dimensions=catalogue.dimensions(dataset, scope),
            joins=catalogue.joins(dataset),
            measures=measures(dataset, scope),
            filters=catalogue.filters(dataset),
            periods=catalogue.periods(dataset, today, scope.fiscal_year_start_month),
            options=catalogue.options(dataset),
            sample_questions=list(dataset.meta.sample_questions),
            example=example(dataset, scope),
            limits=Limits(seconds=settings.query_timeout_seconds),
            tests_passed=dataset.tests,
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
            age_seconds=snapshot.age_seconds,
        )
