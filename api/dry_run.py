"""`dry_run=true`: everything is done and answered, and then taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

HEADER = "Outlay-Dry-Run"


def dry_run(
    *,
    asked: Annotated[
        bool,
        Query(
            alias="dry_run",
            description="Validate and answer as if it were done, and change nothing.",
        ),
    ] = False,
) -> bool:
    return asked


DryRun = Annotated[bool, Depends(dry_run)]


async def take_back(session: AsyncSession, response: Response) -> None:
    # What is checked at commit only would otherwise go unseen.
    await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    await session.rollback()
    response.headers[HEADER] = "true"
