"""What every write promises, read off the OpenAPI document: a new route cannot forget it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.app import create_app
from backend.settings import Settings

_WRITES = {"post", "put", "patch", "delete"}
_QUESTIONS = ("/api/analytics/query",)
_OPEN_TO_STRANGERS = {"accept_invitation"}  # its link is good for one time anyway
_STARTS_SOMETHING = {"request_refresh"}  # no dry run could take it back


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in operation.get("parameters", ())}


def test_every_write_takes_a_key_and_a_dry_run(settings: Settings) -> None:
    for path, method, operation in _operations(create_app(settings).openapi()):
        if method not in _WRITES or path.startswith(_QUESTIONS):
            continue
        name = operation["operationId"]
        if "security" not in operation or name in _OPEN_TO_STRANGERS:
            continue  # nobody is known yet whose keys these could be
        assert "Idempotency-Key" in _parameters(operation), name
        assert ("dry_run" in _parameters(operation)) is (name not in _STARTS_SOMETHING), name
        assert {"401", "409", "422", "503"} <= operation["responses"].keys(), name


def test_every_change_of_what_has_a_version_names_it(settings: Settings) -> None:
    document = create_app(settings).openapi()
    schemas = document["components"]["schemas"]
    versioned = set()
    for path, method, operation in _operations(document):
        answer = operation["responses"].get("200", {})
        content = answer.get("content", {}).get("application/json", {})
        schema = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        if "version" in schema.get("properties", {}):
            assert "ETag" in answer["headers"], operation["operationId"]
            if method == "get":
                versioned.add(path)
    assert len(versioned) >= 5
    for path, method, operation in _operations(document):
        if path in versioned and method in {"put", "patch", "delete"}:
            assert _parameters(operation)["If-Match"]["required"], operation["operationId"]
            assert {"412", "428"} <= operation["responses"].keys(), operation["operationId"]
