"""Which format answers, by what a client says it takes."""

from __future__ import annotations

import pytest

from api.negotiation import requested_format
from backend.errors import InvalidInput, NotAcceptable
from backend.warehouse.formats import Format

JSON, NDJSON, CSV, ARROW, PARQUET = Format
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        (" ", JSON),
        ("*/*", JSON),
        (BROWSER, JSON),
        ("application/json", JSON),
        ("application/x-ndjson", NDJSON),
        ("text/csv", CSV),
        ("application/vnd.apache.arrow.stream", ARROW),
        ("application/vnd.apache.parquet", PARQUET),
        ("TEXT/CSV", CSV),
        ("text/csv; charset=utf-8; header=present", CSV),
        ("text/csv;charset=utf-8;q=0.5, application/json;q=0.4", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("text/csv, */*", CSV),
        ("*/*, text/csv", CSV),
        ("text/csv;q=0.5, */*", JSON),
        ("application/vnd.apache.parquet, application/json", PARQUET),
        ("application/json, application/vnd.apache.parquet", JSON),
        ("application/json;q=0.9, application/vnd.apache.parquet;q=0.901", PARQUET),
        ("application/json;q=0, */*", NDJSON),
        ("application/*;q=0, */*", CSV),
        ("*/*;q=0, text/csv", CSV),
        ("text/csv ; Q=1.000 , application/json;q=0.999", CSV),
        ("nonsense, text/csv", CSV),
        ("text/csv;q=2, application/x-ndjson;q=0.1", NDJSON),  # what is not valid is not there
        (",,text/csv,,", CSV),
    ],
)
def test_accept(accept: str | None, expected: Format) -> None:
    assert requested_format(accept, None) is expected


@pytest.mark.parametrize(
    "accept",
    ["image/png", "*/csv", "text/html", "application/json;q=0", "*/*;q=0", "x", "text/csvs"],
)
def test_what_we_do_not_have_is_refused_with_what_we_have(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        requested_format(accept, None)
    for format_ in Format:
        assert format_.media_type in refusal.value.detail
        assert f"{format_}" in refusal.value.detail


@pytest.mark.parametrize("format_", list(Format))
def test_the_parameter_wins(format_: Format) -> None:
    for accept in (None, "text/csv", "image/png"):
        assert requested_format(accept, str(format_)) is format_


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("parket", "Did you mean 'parquet'?"), ("CSV", "csv"), ("xlsx", "Known:"), ("", "Known:")],
)
def test_an_unknown_parameter_is_refused_by_name(name: str, suggestion: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        requested_format("*/*", name)
    [fault] = refusal.value.errors
    assert fault.pointer == "format"
    assert suggestion in fault.detail
