"""Schemathesis, on every operation that the OpenAPI document names.

What differs from its default checks is in `schemathesis.toml`. The operations are tests of their
own, each on a `Stage` of its own: workers share them, and none breaks what another runs on.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.schemas import BaseSchema

from api.app import create_app
from api.schemas.common import FIRST_DATE, LAST_DATE
from backend.money import EXPONENTS
from backend.settings import Settings
from tests.contract.stage import Stage
from tests.sizes import sized

_DOCUMENT = create_app(Settings()).openapi()
_CONFIG = tomllib.loads(Path(__file__).with_name("schemathesis.toml").read_text())

# Formats that JSON Schema does not know; and of the days that may be, many are those of the books.
_DAYS = st.dates(date(2025, 1, 1), date(2044, 12, 31)) | st.dates(FIRST_DATE, LAST_DATE)
_TIMES = st.times(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11))]))
_INSTANTS = st.builds(lambda day, time: f"{day}T{time.isoformat('seconds')}", _DAYS, _TIMES)
_ZONES = st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata"])
schemathesis.openapi.format("date", _DAYS.map(str))
schemathesis.openapi.format("date-time", _INSTANTS)
schemathesis.openapi.format("time-zone", _ZONES)
schemathesis.openapi.format("currency-code", st.sampled_from(sorted(EXPONENTS)))

thoroughly = settings(
    max_examples=sized(10, long=1000),
    deadline=None,
    # The stage stays the same for all cases of an operation: what one wrote, the next may meet.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


def _operations() -> list[str]:
    return [o["operationId"] for path in _DOCUMENT["paths"].values() for o in path.values()]


@pytest.fixture(params=_operations())
def operation(request: pytest.FixtureRequest, stage: Stage) -> BaseSchema:
    """The document, with all operations switched off but one."""
    request.node._nodeid = request.node.nodeid  # Schemathesis 4.32 reads what pytest 9.2 renamed
    others: dict[str, Any] = {"exclude-operation-id": request.param, "enabled": False}
    config = schemathesis.Config.from_dict(
        _CONFIG | {"operations": [*_CONFIG["operations"], others]}
    )
    schema = schemathesis.openapi.from_dict(_DOCUMENT, config=config)
    schema.app = stage.app
    return schema


@schemathesis.pytest.from_fixture("operation").parametrize()
@pytest.mark.long
@thoroughly
def test_operation(case: schemathesis.Case, stage: Stage) -> None:
    stage.try_out(case)
