"""The board: where everything is and who can be tried, for a person and for a script."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from sqlalchemy import delete

from backend.cli.progress import console
from backend.db.engine import create_engine, organization_session
from backend.identity.models import ApiToken
from backend.identity.service import create_api_token
from backend.seeds.report import SeedReport
from backend.settings import Settings

BOARD_TOKEN_NAME = "demo board"  # noqa: S105  # a token's name
BOARD_TOKEN_LIFE = timedelta(days=7)


class BoardUser(BaseModel):
    email: str
    organization: str
    role: str
    token: str


class Board(BaseModel):
    """What `$OUTLAY_HOME/board.json` holds while the instance answers."""

    api_url: str
    dagster_url: str
    users: list[BoardUser]


def make_board(settings: Settings, demo: Sequence[SeedReport]) -> Board:
    """The instance's addresses, and a fresh token for each user of the demo's organizations."""
    return Board(
        api_url=f"http://{settings.api_host}:{settings.api_port}",
        dagster_url=f"http://{settings.dagster_host}:{settings.dagster_port}",
        users=asyncio.run(_users_with_tokens(settings, demo)),
    )


async def _users_with_tokens(settings: Settings, demo: Sequence[SeedReport]) -> list[BoardUser]:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"))
    users = []
    try:
        for report in demo:
            async with organization_session(engine, report.organization_id) as session:
                await session.execute(delete(ApiToken).where(ApiToken.name == BOARD_TOKEN_NAME))
                for user in report.users:
                    token = await create_api_token(
                        session,
                        user.user_id,
                        name=BOARD_TOKEN_NAME,
                        scopes=("read", "write", "admin"),
                        expires_at=datetime.now(UTC) + BOARD_TOKEN_LIFE,
                    )
                    users.append(
                        BoardUser(
                            email=user.email,
                            organization=report.organization,
                            role=user.role,
                            token=token,
                        )
                    )
    finally:
        await engine.dispose()
    return users


def write_board(settings: Settings, board: Board) -> None:
    """Mode 0600, and whole or not at all: scripts wait for this file."""
    temporary = settings.board_path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(board.model_dump(), file, indent=2)
    temporary.replace(settings.board_path)


def remove_board(settings: Settings) -> None:
    settings.board_path.unlink(missing_ok=True)


def show_board(board: Board) -> None:
    places = Table.grid(padding=(0, 2))
    places.add_row("API", f"{board.api_url}/docs")
    places.add_row("Dagster", board.dagster_url)
    console.print(Panel(places, title="Outlay is up", title_align="left", expand=False))
    if board.users:
        people = Table(title="Demo users", title_justify="left", show_edge=False, pad_edge=False)
        for column in ("Organization", "Role", "E-mail"):
            people.add_column(column)
        for user in board.users:
            people.add_row(user.organization, user.role, user.email)
        console.print(people)
        console.print("\nTry it; every user's token is in board.json:\n")
        for line in first_calls(board):
            console.print(Text(line, no_wrap=True, overflow="ignore"), soft_wrap=True)
    console.print("\nCtrl-C stops everything.")


def first_calls(board: Board) -> list[str]:
    """Three curl calls that work as pasted."""
    whole = next(u for u in board.users if u.role == "owner")
    header = f"-H 'Authorization: Bearer {whole.token}'"
    analytics = f"{board.api_url}/api/analytics"
    return [
        f"curl -s {header} {analytics}/datasets",
        f"curl -s {header} '{analytics}/spending-by-tag?start_date=2016-01-01&end_date=2016-03-31'",
        f"curl -s {header} '{analytics}/datasets/fct_transactions/query?limit=5'",
    ]
