"""Runs the project's real dbt in a process of its own, as the pipeline does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from backend.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt"


class DbtFailed(AssertionError):
    """dbt ended with an error; the text is its output."""


def run_dbt(build_dir: Path, *arguments: str, project: Path = DBT_PROJECT) -> str:
    """`dbt <arguments>` on what was extracted into `build_dir`; answers what it printed.

    The manifest and logs go to `build_dir/target` and `build_dir/logs`; a parsed project that lies
    there is reused.
    """
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--no-use-colors",
        *arguments,
        "--project-dir",
        str(project),
        "--profiles-dir",
        str(project),
        "--target-path",
        str(build_dir / "target"),
        "--log-path",
        str(build_dir / "logs"),
    ]
    environment = os.environ | {
        "OUTLAY_BUILD_DIR": str(build_dir),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=project
    )
    if done.returncode:
        raise DbtFailed(f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build_marts(build_dir: Path, *arguments: str) -> Path:
    """Build and test all models; answers the path of `manifest.json`, copied beside the marts."""
    run_dbt(build_dir, "--warn-error", "build", *arguments)
    return Path(shutil.copy(build_dir / "target" / "manifest.json", build_dir / "manifest.json"))
