"""The datasets: which there are, and what each holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.answers import headers
from api.deps import CurrentScope, WarehouseDep
from api.problems import READ_RESPONSES
from api.query_parameters import refuse_repetition
from api.schemas.analytics import (
    DatasetEntry,
    DatasetList,
    DatasetSchema,
    Parameters,
    SchemaColumn,
    SchemaDimension,
    SchemaMeasure,
)
from backend.warehouse import catalogue
from backend.warehouse.common_filters import parameters_of
from backend.warehouse.datasets import Dataset

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
            items=[_entry(dataset) for dataset in snapshot.datasets.values()],
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
        )


@router.get("/{dataset_id}/schema")
async def get_dataset_schema(
    dataset_id: DatasetId,
    _: Annotated[Parameters, Query()],
    scope: CurrentScope,
    warehouse: WarehouseDep,
    response: Response,
) -> DatasetSchema:
    async with warehouse.snapshot() as snapshot:
        dataset = snapshot.dataset(dataset_id)
        counts = await snapshot.counts(scope, [dataset])
        response.headers.update(headers(stale=snapshot.is_stale))
        return DatasetSchema(
            **_entry(dataset).model_dump(),
            columns=[SchemaColumn.model_validate(c) for c in catalogue.columns(dataset)],
            dimensions=[
                SchemaDimension.model_validate(d) for d in catalogue.dimensions(dataset, scope)
            ],
            measures=[SchemaMeasure.model_validate(m) for m in catalogue.measures(dataset)],
            sample_questions=list(dataset.meta.sample_questions),
            row_count=counts[dataset.id],
            tests_passed=dataset.tests,
            generation=snapshot.generation,
            as_of=snapshot.as_of,
            stale=snapshot.is_stale,
        )


def _entry(dataset: Dataset) -> DatasetEntry:
    return DatasetEntry(
        id=dataset.id,
        friendly_name=dataset.friendly_name,
        description=dataset.description,
        group=dataset.meta.group,
        time_grain=dataset.meta.time_grain,
        parameters=parameters_of(dataset),
    )
