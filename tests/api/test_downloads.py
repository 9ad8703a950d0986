"""What only a real server shows: files that are broken off, and clients that go away."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from backend.identity.tokens import issue_access_token
from backend.settings import Settings
from tests.api.marts import DATASETS, QUERY, People
from tests.api.problem import assert_problem
from tests.served import served
from tests.warehouse.hand_made import TABLES, publish_hand_made

ROWS = 10**12  # hours of reading
CHEAP = f"{DATASETS}/dim_date/query"


def heavy(number: int = 0) -> dict[str, Any]:
    """Hours of looking for a vendor; each number is a question of its own."""
    vendor = {"field": "vendor", "op": "eq", "value": f"nobody {number}"}
    return {"measures": ["events"], "filters": [vendor]}


@pytest.fixture
def publish(settings: Settings, people: People) -> Callable[[str], None]:
    """Give Bob as many transactions as one can read, made while they are read."""

    def publish(vendor: str = "'V' || range") -> None:
        bob = people.scopes["bob"]
        made = {
            "organization_id": f"UUID '{bob.organization_id}'",
            "owner_id": f"UUID '{bob.user_id}'",
            "vendor": vendor,
        }
        columns = ", ".join(
            f"{made.get(name, f'NULL::{type_}')} AS {name}"
            for name, type_ in TABLES["fct_transactions"].items()
        )
        publish_hand_made(
            settings.warehouse_dir,
            now=datetime.now(UTC),
            statements=[
                "DROP TABLE marts.fct_transactions",
                f"CREATE VIEW marts.fct_transactions AS SELECT {columns} FROM range({ROWS})",
            ],
        )

    return publish


class Service:
    """A running one, and the calls of people to it, by default of Bob's."""

    def __init__(self, url: str, settings: Settings, people: People) -> None:
        self.url = url
        self._settings = settings
        self._people = people

    def get(
        self, path: str = QUERY, *, who: str = "bob", seconds: float = 60, **parameters: str
    ) -> httpx.Response:
        headers = self._headers(who)
        url = f"{self.url}{path}"
        return httpx.get(url, params=parameters, headers=headers, timeout=seconds)

    def post(self, query: dict[str, Any], format_: str) -> httpx.Response:
        headers = self._headers("bob")
        url = f"{self.url}{QUERY}?format={format_}"
        return httpx.post(url, json=query, headers=headers, timeout=60)

    @contextmanager
    def asked(self, query: dict[str, Any], format_: str = "json") -> Iterator[socket.socket]:
        """A connection on which it has been asked; the block may read the answer or leave it."""
        address = urlsplit(self.url)
        body = json.dumps(query)
        lines = [
            f"POST {QUERY}?format={format_} HTTP/1.1",
            f"Host: {address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in self._headers("bob").items()),
            "",
            body,
        ]
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect((address.hostname, address.port))
            connection.sendall("\r\n".join(lines).encode())
            yield connection

    def wait_until_full(self) -> None:
        """Until there is no place left for a query."""
        for _ in range(100):
            try:
                self.get(CHEAP, seconds=0.5)
            except httpx.ReadTimeout:
                return
        pytest.fail("There are still places for queries.")

    def _headers(self, who: str) -> dict[str, str]:
        scope = self._people.scopes[who]
        token = issue_access_token(self._settings, scope.user_id, scope.organization_id)
        return {"Authorization": f"Bearer {token}"}


Start = Callable[..., AbstractContextManager[Service]]
Publish = Callable[..., None]


@pytest.fixture
def start(settings: Settings, people: People) -> Start:
    """With one place for a query and one for a download, time enough, and no kept answers."""

    @contextmanager
    def start(**changes: object) -> Iterator[Service]:
        usual = {
            "stream_concurrency": 1,
            "query_concurrency": 1,
            "query_timeout_seconds": 120.0,
            "result_cache_bytes": 0,
        }
        changed = settings.model_copy(update=usual | changes)
        with served(changed) as url:
            yield Service(url, changed, people)

    return start


def test_a_query_ends_when_its_client_goes_away(publish: Publish, start: Start) -> None:
    publish()
    with start() as service:
        with service.asked(heavy()):
            service.wait_until_full()
        assert service.get(CHEAP).status_code == 200


@pytest.mark.parametrize("format_", ["ndjson", "csv", "arrow", "parquet"])
def test_a_download_ends_when_its_client_goes_away(
    format_: str, publish: Publish, start: Start
) -> None:
    publish()
    with start() as service:
        with service.asked({}, format_) as connection:
            assert connection.recv(12) == b"HTTP/1.1 200"
        answer = service.get(format=format_, limit="1")
        assert answer.status_code == 200, answer.text


def test_a_download_that_has_not_begun_ends_too(publish: Publish, start: Start) -> None:
    publish()
    with start() as service:
        for _ in range(3):
            with service.asked(heavy(), "csv"):
                assert service.get(CHEAP).status_code == 200
        assert service.get(format="csv", limit="1").status_code == 200


def test_who_does_not_read_is_dropped(publish: Publish, start: Start) -> None:
    publish()
    with start(stream_idle_seconds=0.5) as service, service.asked({}, "csv") as idle:
        assert service.get(format="csv", limit="1").status_code == 200
        received = b"".join(iter(lambda: idle.recv(2**16), b""))
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"\r\n0\r\n\r\n")  # as a whole answer in chunks would


@pytest.mark.parametrize("format_", ["ndjson", "csv", "arrow", "parquet"])
def test_half_a_file_never_looks_like_a_whole_one(
    format_: str, publish: Publish, start: Start
) -> None:
    publish("CASE WHEN range < 500000 THEN 'V' || hash(range) ELSE error('hidden words') END")
    with start() as service:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            service.get(format=format_)
        assert service.get(format=format_, limit="1").status_code == 200


def test_what_goes_wrong_before_the_first_row_is_a_problem(publish: Publish, start: Start) -> None:
    publish("error('hidden words')::VARCHAR")
    with start() as service:
        answer = service.get(format="csv")
        assert "log says why" in assert_problem(answer, 500, "internal-error")
        assert "hidden" not in answer.text


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_a_query_that_takes_too_long_says_so(format_: str, publish: Publish, start: Start) -> None:
    publish()
    with start(query_timeout_seconds=0.5) as service:
        answer = service.post(heavy(), format_)
        detail = assert_problem(answer, 422, "query-timeout")
        assert detail.startswith("The query took longer than 0.5 seconds and was stopped. Ask for ")


def test_heavy_queries_keep_nothing_else_waiting(publish: Publish, start: Start) -> None:
    publish()
    with start(query_concurrency=3, query_concurrency_per_caller=3) as service, ExitStack() as all_:
        for number in range(10):
            all_.enter_context(service.asked(heavy(number)))
        all_.enter_context(service.asked({}, "csv"))
        service.wait_until_full()
        for _ in range(3):
            assert service.get("/healthz").json() == {"status": "ok"}
            assert service.get("/api/accounts").status_code == 200


def test_one_persons_heavy_queries_leave_room_for_another(publish: Publish, start: Start) -> None:
    publish()
    with start(query_concurrency=3, query_concurrency_per_caller=2) as service, ExitStack() as all_:
        for number in range(50):
            all_.enter_context(service.asked(heavy(number)))
        service.wait_until_full()  # for Bob
        assert service.get(CHEAP, who="alice").status_code == 200
