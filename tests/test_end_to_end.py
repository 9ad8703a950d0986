"""The whole instance as a person runs it, from `outlay up` to Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest

from backend.cli.ports import free_port
from backend.cli.token import make_token
from backend.db.engine import create_engine, organization_session
from backend.scope import Scope
from backend.settings import Settings
from tests import factories, server

PATIENCE_SECONDS = 180.0


def until(condition: Callable[[], object], what: str) -> None:
    """Poll, since other processes do the work; no result depends on how long it takes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


class Instance:
    """`outlay up` in a process of its own, on a database and in a home of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api_port, self.dagster_port = free_port(), free_port()
        self.log = settings.home.parent / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        assert self.settings.database_url is not None
        return os.environ | {
            "OUTLAY_HOME": str(self.settings.home),
            "OUTLAY_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "OUTLAY_API_PORT": str(self.api_port),
            "OUTLAY_DAGSTER_PORT": str(self.dagster_port),
            "OUTLAY_JWT_SECRET": "a-test-secret-of-at-least-32-bytes",
            "OUTLAY_OWNER_PASSWORD": "owner",
            "OUTLAY_APP_PASSWORD": "app",
            "OUTLAY_EXTRACT_PASSWORD": "extract",
            "OUTLAY_DAGSTER_PASSWORD": "dagster",
        }

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli.main", "up"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self._process

        def up() -> bool:
            assert process.poll() is None, self.log.read_text()
            return self.settings.board_path.exists()

        until(up, "the board")

    def send(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=60)

    def processes(self) -> list[psutil.Process]:
        """All that know this home, the supervisor included."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("OUTLAY_HOME") == str(self.settings.home):
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def instance(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    url = asyncio.run(server.clone(server_url))
    home = tmp_path_factory.mktemp("instance") / "home"
    running = Instance(server.settings_for(home, url))
    running.start()
    yield running
    for process in running.processes():
        with suppress(psutil.Error):
            process.kill()
    asyncio.run(server.drop(url))


async def _owner_with_account(settings: Settings) -> tuple[Scope, str, str]:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    owner = await factories.make_member(engine, await factories.make_organization(engine))
    async with organization_session(engine, owner.organization_id) as session:
        account = await factories.add_account(session, owner.user_id)
        users = await session.connection()
        email = (await users.exec_driver_sql("SELECT email FROM users LIMIT 1")).scalar_one()
    await engine.dispose()
    token = await make_token(
        settings,
        email=email,
        organization=None,
        name="test",
        scopes=("write",),
        life=timedelta(days=1),
    )
    return owner, str(account.id), token


def test_a_posted_expense_is_refreshed_and_queried(instance: Instance) -> None:
    _, account_id, token = asyncio.run(_owner_with_account(instance.settings))
    with httpx.Client(
        base_url=f"http://127.0.0.1:{instance.api_port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    ) as client:
        query = "/api/analytics/datasets/fct_transactions/query"
        empty = client.get(query)
        assert empty.status_code == 503
        assert "outlay refresh" in empty.json()["detail"]

        expense = {
            "account_id": account_id,
            "date": "2025-03-10",
            "amount": "1234.56",
            "description": "A desk",
        }
        assert client.post("/api/transactions", json=expense).status_code == 201
        asked = client.post("/api/analytics/refresh")
        assert asked.status_code == 202, asked.text

        def ended() -> bool:
            answer = client.get(asked.headers["Location"]).json()
            assert answer["status"] != "failed", answer
            return answer["status"] == "succeeded"

        until(ended, "the refresh")
        answer = client.get(query).json()
        assert [(Decimal(r["amount"]), r["description"]) for r in answer["rows"]] == [
            (Decimal("1234.56"), "A desk")
        ]
        assert client.get("/readyz").status_code == 200


def test_a_second_instance_in_the_same_home_is_refused(instance: Instance) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "backend.cli.main", "up"],
        env=instance.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 1
    assert "runs already" in second.stdout


def test_a_port_in_use_is_a_clear_message(instance: Instance, tmp_path: Path) -> None:
    other = subprocess.run(
        [sys.executable, "-m", "backend.cli.main", "up"],
        env=instance.environment | {"OUTLAY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert other.returncode == 1
    assert f"Port {instance.api_port}" in other.stdout
    assert "OUTLAY_API_PORT" in other.stdout


def test_marts_and_logs_are_private(instance: Instance) -> None:
    for folder in ("warehouse", "logs", "dagster"):
        assert (instance.settings.home / folder).stat().st_mode & 0o777 == 0o700


def test_after_kill_9_a_start_cleans_up_and_ctrl_c_stops_everything(instance: Instance) -> None:
    assert oct(instance.settings.board_path.stat().st_mode & 0o777) == "0o600"
    instance.send(signal.SIGKILL)
    assert instance.processes()
    instance.settings.board_path.unlink()
    instance.start()
    assert httpx.get(f"http://127.0.0.1:{instance.api_port}/healthz").status_code == 200
    assert instance.send(signal.SIGINT) == 0
    until(lambda: not instance.processes(), "every process to be gone")
    assert not instance.settings.board_path.exists()
