"""The conventions of the API, read off its OpenAPI document: a new route cannot forget them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.app import create_app
from backend.settings import Settings

_DOCUMENT = create_app(Settings()).openapi()
_SCHEMAS: dict[str, dict[str, Any]] = _DOCUMENT["components"]["schemas"]
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

# Open to everybody, each for a reason: probes, logging in, and who has a link.
_PUBLIC = {
    "get_liveness",
    "get_readiness",
    "get_metrics_text",
    "register_user",
    "create_token",
    "refresh_token",
    "log_out",
    "request_password_reset",
    "confirm_password_reset",
    "look_up_invitation",
}
_OPEN_TO_STRANGERS = {"accept_invitation"}  # its link is good for one time anyway
_STARTS_SOMETHING = {"request_refresh"}  # no dry run could take it back
_ASKS = {"query_dataset_by_spec", "explain_query_by_spec"}  # a question with a body
_PROBES = {"get_liveness", "get_readiness", "get_metrics_text"}
# What they make has no place of its own: it is part of what the path names.
_MADE_WITHOUT_A_PLACE = {
    "create_budget_transfer",
    "create_many_transactions",
    "create_member_password_reset",
    "put_balance",
    "record_goal_progress",
}
_PATH = re.compile(r"(/[a-z0-9]+(-[a-z0-9]+)*(:[a-z]+)?|/\{[a-z]+(_[a-z]+)*\})+")
_IN_WHATEVER_CURRENCY = {"RuleOut"}  # its bounds hold in the one that a transaction has
# Names of amounts, wherever they are; percentages, counts and ratios are numbers.
_MONEY = re.compile(
    r"(.*_)?(amount|spent|committed|remaining|allocated|carried|balance|limit|cost|total|cpa|cap)"
)


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    raw: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["operationId"])

    @property
    def writes(self) -> bool:
        return self.method in {"post", "put", "patch", "delete"} and self.name not in _ASKS

    @property
    def knows_its_caller(self) -> bool:
        return self.name not in _PUBLIC | _OPEN_TO_STRANGERS

    @property
    def expected_problems(self) -> set[str]:
        expected = set()
        if self.name not in _PROBES:
            expected |= {"401", "403", "404", "422", "429", "503"}
        if self.writes and self.knows_its_caller:
            expected |= {"409"}
        if "If-Match" in self.parameters:
            expected |= {"412", "428"}
        if "requestBody" in self.raw:
            expected |= {"413"}
        return expected

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return {p["name"]: p for p in self.raw.get("parameters", ())}

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its JSON body."""
        content = self.raw.get("requestBody", {}).get("content", {})
        return _resolved(content["application/json"]["schema"]) if _is_json(content) else None

    @property
    def answer(self) -> dict[str, Any]:
        """The schema of its JSON answer; empty for none."""
        for status in ("200", "201", "202"):
            content = self.raw["responses"].get(status, {}).get("content", {})
            if _is_json(content):
                return _resolved(content["application/json"]["schema"])
        return {}


def _is_json(content: dict[str, Any]) -> bool:
    return "application/json" in content


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return _SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


OPERATIONS = [
    Operation(method, path, raw)
    for path, methods in _DOCUMENT["paths"].items()
    for method, raw in methods.items()
]


def test_every_operation_has_a_name_of_its_own() -> None:
    counted = Counter(operation.name for operation in OPERATIONS)
    assert [name for name, times in counted.items() if times > 1] == []
    assert [name for name in counted if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_no_two_schemas_share_a_name() -> None:
    assert [name for name in _SCHEMAS if "__" in name] == []


def test_every_tag_is_described_and_used() -> None:
    described = [tag["name"] for tag in _DOCUMENT["tags"] if tag["description"]]
    used = {tag for operation in OPERATIONS for tag in operation.raw["tags"]}
    assert set(described) == used
    assert len(described) == len(used)


def test_there_is_one_way_to_authenticate() -> None:
    (bearer,) = _DOCUMENT["components"]["securitySchemes"].values()
    assert (bearer["type"], bearer["scheme"]) == ("http", "bearer")
    assert bearer["description"]


def test_operations_say_what_they_are() -> None:
    for operation in OPERATIONS:
        assert operation.raw["summary"], operation.name
        assert len(operation.raw["tags"]) == 1, operation.name
        assert _PATH.fullmatch(operation.path), operation.path


def test_operations_say_who_may_call_them() -> None:
    for operation in OPERATIONS:
        security = operation.raw.get("security", [])
        assert ({"bearer": []} in security) is (operation.name not in _PUBLIC), operation.name
        assert ({} in security) is (operation.name in _OPEN_TO_STRANGERS), operation.name


def test_operations_say_what_may_go_wrong() -> None:
    for operation in OPERATIONS:
        assert operation.expected_problems <= operation.raw["responses"].keys(), operation.name
        for status, answer in operation.raw["responses"].items():
            assert answer["description"], operation.name
            if int(status) >= 400:
                assert answer["content"] == _PROBLEM, (operation.name, status)


def test_parameters_can_be_written() -> None:
    """There is no null in a query or a header."""
    for operation in OPERATIONS:
        for name, parameter in operation.parameters.items():
            options = parameter["schema"].get("anyOf", [])
            assert {"type": "null"} not in options, (operation.name, name)


def test_bodies_are_strict_and_have_an_example() -> None:
    for operation in OPERATIONS:
        body = operation.body
        if body is None:
            continue
        assert body["additionalProperties"] is False, operation.name
        if operation.method != "patch":  # all of its fields are optional
            required = [body["properties"][name] for name in body.get("required", ())]
            shown = "examples" in body or all("examples" in field for field in required)
            assert shown, operation.name


def test_lists_have_the_one_shape() -> None:
    for operation in OPERATIONS:
        assert operation.answer.get("type", "object") == "object", operation.name
        fields = operation.answer.get("properties", {})
        if operation.method != "get" or "items" not in fields or "generation" in fields:
            continue  # what a generation answers is told apart by it
        assert operation.answer["required"] == ["items", "next_cursor"], operation.name
        assert fields.keys() == {"items", "next_cursor"}, operation.name
        assert fields["items"]["type"] == "array", operation.name


def test_what_is_made_has_a_place() -> None:
    for operation in OPERATIONS:
        made = operation.raw["responses"].get("201")
        if made is not None and operation.name not in _MADE_WITHOUT_A_PLACE:
            assert "Location" in made["headers"], operation.name


def test_writes_take_a_key_and_a_dry_run() -> None:
    for operation in OPERATIONS:
        if not operation.writes or not operation.knows_its_caller:
            continue  # nobody is known yet whose keys these could be
        assert "Idempotency-Key" in operation.parameters, operation.name
        can_be_dry = operation.name not in _STARTS_SOMETHING
        assert ("dry_run" in operation.parameters) is can_be_dry, operation.name


def test_a_change_of_what_has_a_version_names_it() -> None:
    versioned = {o.path for o in OPERATIONS if "version" in o.answer.get("properties", {})}
    assert len(versioned) >= 5
    for operation in OPERATIONS:
        if "version" in operation.answer.get("properties", {}):
            success = next(iter(operation.raw["responses"].values()))
            assert "ETag" in success["headers"], operation.name
        if operation.path in versioned and operation.method in {"put", "patch", "delete"}:
            assert operation.parameters["If-Match"]["required"], operation.name


def _answered(schema: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object within an answer, by its name in the document."""
    for part in [schema, *schema.get("anyOf", ()), schema.get("items", {})]:
        name = part.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            yield name, _SCHEMAS[name]
            yield from _answered(_SCHEMAS[name], seen)
    for field in schema.get("properties", {}).values():
        yield from _answered(field, seen)


def _is_text(field: dict[str, Any]) -> bool:
    return any(option.get("type") == "string" for option in [field, *field.get("anyOf", ())])


def test_money_has_its_currency_beside_it() -> None:
    seen: set[str] = set()
    found = 0
    for operation in OPERATIONS:
        for name, schema in _answered({"properties": {"": operation.answer}}, seen):
            fields = schema.get("properties", {})
            money = [n for n, f in fields.items() if _MONEY.fullmatch(n) and _is_text(f)]
            found += len(money)
            if money and name not in _IN_WHATEVER_CURRENCY:
                assert any("currency" in field for field in fields), (name, money)
    assert found > 20


def test_a_made_up_secret_is_not_in_the_document() -> None:
    secret = "do-not-print-me" * 3
    settings = Settings(jwt_secret=secret)
    assert secret not in str(create_app(settings).openapi())
