"""Writes what Dagster's processes read at their start: `dagster.yaml` and `workspace.yaml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backend.jobs.launcher import CODE_LOCATION
from backend.settings import Settings
from orchestration.queues import run_limits

DATABASE_VARIABLE = "OUTLAY_DAGSTER_DATABASE_URL"


def write_instance(
    settings: Settings, grpc_port: int, *, grpc_host: str = "127.0.0.1"
) -> dict[str, str]:
    """Make `$DAGSTER_HOME` ready, and answer the variables that Dagster's processes need.

    `grpc_host` and `grpc_port` are those of the code server. The database URL holds a password,
    so it goes through the environment and not into a file.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    _write(home / "dagster.yaml", _instance(settings))
    _write(home / "workspace.yaml", _workspace(grpc_host, grpc_port))
    # Named, since Dagster's storage brings this driver and SQLAlchemy would take another.
    url = settings.role_url("outlay_dagster", driver="psycopg2")
    return {
        "DAGSTER_HOME": str(home),
        "OUTLAY_HOME": str(settings.home),
        DATABASE_VARIABLE: url.render_as_string(hide_password=False),
    }


def workspace_path(settings: Settings) -> Path:
    return settings.dagster_home / "workspace.yaml"


def _instance(settings: Settings) -> dict[str, Any]:
    home = settings.dagster_home
    return {
        "storage": {"postgres": {"postgres_url": {"env": DATABASE_VARIABLE}}},
        "local_artifact_storage": {
            "module": "dagster._core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": str(home / "storage")},
        },
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(home / "logs")},
        },
        "run_launcher": {
            "module": "orchestration.run_launcher",
            "class": "WatchfulRunLauncher",
            "config": {},
        },
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        # One refresh at a time, however it was asked for. The pool of the assets says so too, of
        # what the UI materializes; alone it lets the very first two runs start together.
        "concurrency": {
            "pools": {"default_limit": 1, "granularity": "run"},
            "runs": run_limits(settings),
        },
        "run_queue": {
            "dequeue_interval_seconds": 1,
            "max_user_code_failure_retries": 3,
            "user_code_failure_retry_delay": 10,
        },
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": 10,
            "start_timeout_seconds": 120,
            "cancel_timeout_seconds": 60,
            "max_runtime_seconds": 6 * 60 * 60,
            "free_slots_after_run_end_seconds": 10,
        },
        # A run that died is run again; one that failed a check would only fail it again.
        "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
        "retention": {
            "schedule": {"purge_after_days": 90},
            "sensor": {
                "purge_after_days": {"skipped": 1, "success": 30, "failure": 30, "started": 30}
            },
        },
    }


def _workspace(host: str, port: int) -> dict[str, Any]:
    server = {"host": host, "port": port, "location_name": CODE_LOCATION}
    return {"load_from": [{"grpc_server": server}]}


def _write(path: Path, content: dict[str, Any]) -> None:
    """As JSON, which is YAML; in one step, since another process may be reading."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f"# Written by Outlay at every start.\n{json.dumps(content, indent=2)}\n")
    temporary.replace(path)
