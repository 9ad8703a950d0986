"""Run the Alembic migrations as the owner role."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config(url: URL) -> Config:
    """`url` is the owner role's, on the asyncpg driver."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: URL) -> None:
    """Bring the schema to the newest revision; a database that is there already is left alone."""
    command.upgrade(alembic_config(url), "head")


def known_revisions() -> set[str]:
    """Those that `upgrade` can start from; any other is of a newer version of Outlay."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    return {script.revision for script in scripts.walk_revisions()}
