"""What the OpenAPI document says besides what FastAPI reads off the routes."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from api.problems import problem_response, schemas

TAGS = [
    {"name": name, "description": description}
    for name, description in (
        ("identity", "Users: registration, logins, passwords, API tokens."),
        ("organizations", "Tenants and their settings."),
        ("members", "Who belongs to an organization, and invitations to it."),
        ("institutions", "Where accounts are held."),
        ("connections", "What feeds accounts from their institutions."),
        ("accounts", "Where money sits or is charged, and its balances."),
        ("transactions", "Booked movements on accounts."),
        ("expenses", "Transactions of kind expense, and what they come to."),
        ("receipts", "Documents kept with transactions."),
        ("categories", "The tree that transactions are sorted into."),
        ("tags", "Any number of them on a transaction."),
        ("rules", "What gives transactions their category."),
        ("recurring", "Expenses that are booked when they are due."),
        ("fx rates", "Rates by day, and amounts converted by them."),
        ("imports", "Files of banks and clouds, previewed or booked."),
        ("cloud costs", "Rows of FOCUS files, whole."),
        ("budgets", "Amounts for a period and a scope, in a tree."),
        ("reservations", "Money set aside before the invoice comes."),
        ("goals", "Targets that a budget pays for."),
        ("datasets", "The marts of the current generation, row by row."),
        ("insights", "Ready-made questions to the current generation."),
        ("saved queries", "Queries that people keep for themselves or share."),
        ("exports", "Files of whole answers."),
        ("analytics", "Building the marts anew."),
        ("health", "For probes and Prometheus."),
    )
]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    document["components"]["schemas"].update(schemas())
    for operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])
        if "requestBody" in operation:
            too_large = str(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value)
            operation["responses"][too_large] = problem_response("Content too large")
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be left out, but there is no way to write null in one."""
    options = [s for s in schema.get("anyOf", ()) if s != {"type": "null"}]
    if not options:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return options[0] | rest if len(options) == 1 else rest | {"anyOf": options}
