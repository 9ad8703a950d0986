"""The dbt project: its manifest, made ready without Dagster."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

from backend.settings import PROJECT_ROOT, Settings
from backend.warehouse.build import BUILD_DIR_VARIABLE, build_dir

PROJECT = PROJECT_ROOT / "dbt"
NOT_PARSED = {"target", "logs", "dbt_packages", "lint", "__pycache__"}


class DbtProjectError(Exception):
    """The dbt project does not parse."""


def prepare_manifest(settings: Settings) -> Path:
    """The manifest of the dbt project as it is now; parsed again when a file of it has changed.

    It lies in `$OUTLAY_HOME/dbt/target`, with what makes the next parse quick.
    """
    target = settings.home / "dbt" / "target"
    target.mkdir(parents=True, exist_ok=True)
    manifest, stamp = target / "manifest.json", target / "fingerprint"
    fingerprint = _fingerprint()
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or not stamp.exists() or stamp.read_text() != fingerprint:
            _parse(settings, target)
            stamp.write_text(fingerprint)
    return manifest


def _parse(settings: Settings, target: Path) -> None:
    variables = environment(settings) | {
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(  # noqa: S603  # our own project
        [executable(), "parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)],
        env=os.environ | variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtProjectError(f"dbt cannot parse {PROJECT}:\n{done.stdout}{done.stderr}")


def environment(settings: Settings) -> dict[str, str]:
    """The same for parsing and building: dbt parses anew when a variable it reads has changed."""
    return {
        BUILD_DIR_VARIABLE: str(build_dir(settings.warehouse_dir)),
        "DBT_TARGET_PATH": str(settings.home / "dbt" / "target"),
    }


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')}".encode())
    for path in sorted(PROJECT.rglob("*")):
        place = path.relative_to(PROJECT)
        if path.is_file() and not NOT_PARSED & set(place.parts):
            digest.update(f"{place}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def executable() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "dbt")
