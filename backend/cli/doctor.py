"""`outlay doctor`: look at a set-up and say what is wrong and what to do."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from backend.cli.ports import PortInUse, require_free
from backend.db.bootstrap import MINIMUM_SERVER_VERSION, connect
from backend.settings import Settings
from backend.warehouse.generation import read, resolve

_LOW_DISK_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    good: bool
    detail: str


def diagnose(settings: Settings) -> list[Finding]:
    """Every check, whether or not an earlier one failed."""
    return [
        Finding("Python", good=True, detail=f"{platform.python_version()} at {sys.executable}"),
        _home(settings),
        asyncio.run(_postgres(settings)),
        *_services(settings),
        _generation(settings),
    ]


def _home(settings: Settings) -> Finding:
    place = settings.home
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Finding("Home", good=False, detail=f"{place} cannot be written; set OUTLAY_HOME.")
    free = shutil.disk_usage(place).free
    detail = f"{settings.home}, {free / 2**30:.1f} GiB free"
    if free < _LOW_DISK_BYTES:
        return Finding("Home", good=False, detail=f"{detail}: a refresh may not fit.")
    return Finding("Home", good=True, detail=detail)


async def _postgres(settings: Settings) -> Finding:
    try:
        url = settings.admin_url()
    except FileNotFoundError as error:
        return Finding("PostgreSQL", good=False, detail=str(error))
    place = f"{url.host}:{url.port}/{url.database}"
    try:
        connection = await connect(url)
    except Exception as error:  # noqa: BLE001  # whatever it is, the doctor says it and goes on
        return Finding(
            "PostgreSQL",
            good=False,
            detail=f"{place} does not answer ({error}). Start `outlay up`, or look at "
            "OUTLAY_DATABASE_URL and the log of the server.",
        )
    try:
        major = connection.get_server_version().major
        tables = await connection.fetchval("SELECT to_regclass('public.alembic_version') IS NULL")
        revision = (
            None if tables else await connection.fetchval("SELECT version_num FROM alembic_version")
        )
    finally:
        await connection.close()
    if major < MINIMUM_SERVER_VERSION:
        return Finding(
            "PostgreSQL",
            good=False,
            detail=f"{place} is version {major}; Outlay needs {MINIMUM_SERVER_VERSION} or later.",
        )
    if revision is None:
        return Finding(
            "PostgreSQL",
            good=False,
            detail=f"{place} has no schema yet: start `outlay up`, or run `outlay prepare`.",
        )
    return Finding("PostgreSQL", good=True, detail=f"{major} at {place}, schema {revision}")


def _services(settings: Settings) -> Iterator[Finding]:
    for what, host, port, path, setting in (
        ("API", settings.api_host, settings.api_port, "/readyz", "OUTLAY_API_PORT"),
        (
            "Dagster",
            settings.dagster_host,
            settings.dagster_port,
            "/server_info",
            "OUTLAY_DAGSTER_PORT",
        ),
    ):
        url = f"http://{host}:{port}{path}"
        try:
            answer = httpx.get(url, timeout=5)
        except httpx.HTTPError:
            yield _silent(what, host, port, setting)
            continue
        yield Finding(what, good=answer.is_success, detail=f"{url} answers {answer.status_code}")


def _silent(what: str, host: str, port: int, setting: str) -> Finding:
    try:
        require_free(host, port, setting)
    except PortInUse as error:
        return Finding(what, good=False, detail=str(error))
    return Finding(what, good=False, detail=f"not running on {host}:{port}; start `outlay up`.")


def _generation(settings: Settings) -> Finding:
    folder = resolve(settings.warehouse_dir)
    if folder is None:
        return Finding(
            "Warehouse", good=False, detail="no generation is published: run `outlay refresh`."
        )
    generation = read(folder)
    return Finding(
        "Warehouse", good=True, detail=f"{generation.id}, built {generation.created_at:%F %T} UTC"
    )
