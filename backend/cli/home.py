"""The folders of an instance that hold people's data."""

from __future__ import annotations

from backend.settings import Settings


def make_private_folders(settings: Settings) -> None:
    """Marts and logs are for this user only: no policy of PostgreSQL guards them.

    The home itself stays passable, since root's PostgreSQL runs as somebody else within it.
    """
    for folder in (settings.warehouse_dir, settings.dagster_home, settings.home / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
