"""The whole graph of one instance, from PostgreSQL to a published generation."""

from __future__ import annotations

import dagster as dg

from backend.settings import Settings
from orchestration.dbt import dbt_models, dbt_resource
from orchestration.dbt_project import prepare_manifest
from orchestration.publish import generation
from orchestration.refresh import extract_source, reconciliation, refresh_job
from orchestration.resources import build_resource
from orchestration.schedules import after_changes, hourly, nightly
from orchestration.upkeep import upkeep_job


def build_definitions(settings: Settings) -> dg.Definitions:
    """Parses the dbt project when it has changed since the last time."""
    models = dbt_models(prepare_manifest(settings))
    marts = [spec.key for spec in models.specs if spec.group_name == "marts"]
    upkeep = upkeep_job(settings)
    return dg.Definitions(
        assets=[extract_source, models, reconciliation(marts), generation(marts)],
        jobs=[refresh_job, upkeep],
        schedules=[nightly, hourly(upkeep)],
        sensors=[after_changes(settings)],
        resources={"dbt": dbt_resource(), "build": build_resource(settings)},
        # One process for all stages: it holds the build place from the first to the last.
        executor=dg.in_process_executor,
    )
