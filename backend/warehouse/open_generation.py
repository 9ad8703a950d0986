"""One published generation, open for reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import duckdb

from backend.settings import Settings
from backend.warehouse.contents import Generation
from backend.warehouse.datasets import Dataset, DatasetError
from backend.warehouse.generation import DATABASE, MANIFEST, read
from backend.warehouse.registry import load_registry
from backend.warehouse.spill import new_spill_folder

UNREADABLE = (OSError, ValueError, LookupError, TypeError, DatasetError, duckdb.Error)


@dataclass(slots=True)
class OpenGeneration:
    """Its file stays open until the generation is retired and nobody holds it any more.

    Only the event loop's thread may hold, release and retire. One that is `outdated` may still be
    held anew as long as somebody holds it, one that is retired may not.
    """

    description: Generation
    datasets: Mapping[str, Dataset]
    connection: duckdb.DuckDBPyConnection
    _holders: int = field(default=0, init=False)
    _is_retired: bool = field(default=False, init=False)
    _is_outdated: bool = field(default=False, init=False)
    _is_closed: bool = field(default=False, init=False)

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        self._close_if_unused()

    def retire(self) -> None:
        self._is_retired = True
        self._close_if_unused()

    def outdate(self) -> None:
        self._is_outdated = True
        self._close_if_unused()

    @property
    def is_retired(self) -> bool:
        return self._is_retired

    @property
    def is_held(self) -> bool:
        return self._holders > 0

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _close_if_unused(self) -> None:
        if (self._is_retired or self._is_outdated) and self._holders == 0:
            self.connection.close()
            self._is_closed = True


def open_generation(folder: Path, settings: Settings, share: Fraction) -> OpenGeneration:
    """Raises one of UNREADABLE for files that are missing, damaged or do not fit together.

    `share` is its part of the memory that the readers of this process may take.
    """
    description = read(folder)
    connection = _connect(folder / DATABASE, settings, share)
    try:
        datasets = load_registry(folder / MANIFEST, connection)
    except BaseException:
        connection.close()
        raise
    return OpenGeneration(description, datasets, connection)


def _connect(database: Path, settings: Settings, share: Fraction) -> duckdb.DuckDBPyConnection:
    """Read-only, without access to anything but this file, and with settings nobody can change."""
    connection = duckdb.connect(
        database,
        read_only=True,
        config={
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": _part(settings.duckdb_memory_limit, share),
            "threads": settings.duckdb_threads,
            "temp_directory": str(new_spill_folder(settings)),
            "preserve_insertion_order": True,  # paging without ORDER BY rests on it
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def _part(limit: str, share: Fraction) -> str:
    """Of a limit such as ``2GB``."""
    number = re.match(r"[0-9.]*", limit)
    amount = number[0] if number else ""
    return f"{float(Fraction(amount) * share)}{limit.removeprefix(amount)}" if amount else limit
