"""The matrix is whole: every route is in it, and every id that a route takes is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api.app import create_app
from tests.security.access import Need
from tests.security.entries import Id
from tests.security.matrix import ENTRIES, PUBLIC

# FastAPI's own pages about the service.
_DOCUMENTS = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
# They take a body and write nothing.
_ASKS = {
    "/api/analytics/datasets/{dataset_id}/query",
    "/api/analytics/datasets/{dataset_id}/explain",
}
_IN_MATRIX = {entry.route for entry in (*ENTRIES, *PUBLIC)}
_DOCUMENT = create_app().openapi()


def _routes() -> set[tuple[str, str]]:
    """Also those that the OpenAPI document leaves out; HEAD is GET without the body."""
    found = set()
    for route in iter_route_contexts(create_app().routes):
        if route.path in _DOCUMENTS:
            continue
        assert isinstance(route.original_route, APIRoute), f"what is {route.path}?"
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", str(route.path))
        methods = {method.replace("HEAD", "GET") for method in route.methods or ()}
        found |= {(method, path) for method in methods}
    return found


_EXISTING = _routes()


@pytest.mark.parametrize("route", sorted(_EXISTING | _IN_MATRIX), ids=" ".join)
def test_a_route_is_in_the_matrix_and_the_matrix_has_no_others(route: tuple[str, str]) -> None:
    assert route in _IN_MATRIX, "a new route: say in tests/security/matrix who may do what"
    assert route in _EXISTING, "there is no such route any more"


def test_no_route_is_both_public_and_not() -> None:
    assert {p.route for p in PUBLIC}.isdisjoint(entry.route for entry in ENTRIES)


def test_every_entry_has_a_name_of_its_own() -> None:
    names = [str(entry) for entry in (*ENTRIES, *PUBLIC)]
    assert sorted(names) == sorted(set(names))


def test_every_write_needs_a_token_that_may_do_more_than_read() -> None:
    assert {e.need for e in ENTRIES if e.method == "GET"} == {Need.READ, Need.ADMIN}
    questions = {e.route for e in ENTRIES if e.method != "GET" and e.need is Need.READ}
    assert {path for _, path in questions} <= _ASKS


@pytest.mark.parametrize("route", sorted({entry.route for entry in ENTRIES}), ids=" ".join)
def test_every_id_that_a_route_takes_is_tried_with_others(route: tuple[str, str]) -> None:
    """So that none of them can be forgotten where foreign ids are tried."""
    method, path = route
    operation = _DOCUMENT["paths"].get(path, {}).get(method.lower())
    if operation is None:
        pytest.skip("not in the document")
    tried = {
        (spot.where, _without_numbers(spot.pointer))
        for entry in ENTRIES
        if entry.route == route
        for spot in entry.spots()
    }
    assert set(_ids_of(operation)) <= tried


def _without_numbers(pointer: str) -> str:
    return "/".join("*" if part.isdigit() else part for part in pointer.split("/"))


def _ids_of(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] in {"path", "query"}:
            for _ in _ids_in(parameter["schema"], ""):
                yield parameter["in"], parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for pointer in _ids_in(content["schema"], "#"):
            yield "body", pointer


def _ids_in(
    schema: Mapping[str, Any], pointer: str, within: frozenset[str] = frozenset()
) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in within:
            return  # a tree, all of whose levels are alike
        within |= {name}
        schema = _DOCUMENT["components"]["schemas"][name]
    if schema.get("format") == "uuid":
        yield pointer
    for name in ("anyOf", "oneOf", "allOf"):
        for among in schema.get(name, ()):
            yield from _ids_in(among, pointer, within)
    for name, below in schema.get("properties", {}).items():
        yield from _ids_in(below, f"{pointer}/{name}", within)
    if "items" in schema:
        yield from _ids_in(schema["items"], f"{pointer}/*", within)


def test_the_search_for_ids_finds_them() -> None:
    create = _DOCUMENT["paths"]["/api/transactions"]["post"]
    assert {("body", "#/account_id"), ("body", "#/splits/*/tag_id")} <= set(_ids_of(create))
    assert Id("account") in [s.id for e in ENTRIES for s in e.spots()]
