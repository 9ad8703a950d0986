"""The service, an owner's token, and ids of everything there is to ask about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fastapi import FastAPI
from schemathesis import Case
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation

from backend.scope import Role
from tests.contract.checks import headers_are_documented, shape_is_documented
from tests.world import Place, Side

Ids = Mapping[str, str | None]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def known_ids(side: Side) -> tuple[Ids, Ids]:
    """Of what the owner has; and of what may be deleted, since nothing hangs on it."""
    owner = str(side.members[Role.OWNER].user_id)
    known: dict[str, str | None] = {
        f"{kind}_id": str(side.find(kind, Place.HIDDEN)) for kind in side.ids
    }
    known |= {
        "Outlay-Organization": str(side.organization_id),
        "organization": str(side.organization_id),
        "owner_id": owner,
        "to_budget_id": known["leaf_id"],
        "counter_account_id": None,  # of transfers only
        "parent_id": None,  # little fits into another budget
    }
    unused = {n.removeprefix("unused_"): v for n, v in known.items() if n.startswith("unused_")}
    return known, unused | {"budget_id": known["twig_id"], "user_id": known["guest_id"]}


@dataclass(frozen=True, slots=True)
class Stage:
    """`known` ids lead somewhere, `unused` ones to what can be deleted; by the names that
    parameters and fields have for them. None: better left out.
    """

    app: FastAPI
    token: str
    known: Ids
    unused: Ids = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def try_out(self, case: Case) -> None:
        self._aim(case)
        if _is_wrong_in_nothing_sent(case):
            return
        case.call_and_validate(
            headers={"Authorization": f"Bearer {self.token}"},
            additional_checks=[shape_is_documented, headers_are_documented],
        )

    def _aim(self, case: Case) -> None:
        """Made-up ids would never be found: put known ones in their place."""
        ids = {**self.known, **self.unused} if case.method == "DELETE" else self.known
        case.path_parameters = _aimed(case.path_parameters, ids)
        case.query = _aimed(case.query, ids)
        if case.body is not NOT_SET:
            case.body = _aimed(case.body, ids)
        headers = _aimed(dict(case.headers), ids)
        if case.meta is None or not case.meta.is_negative_at(ParameterLocation.HEADER):
            if "If-Match" in headers:
                headers["If-Match"] = "*"  # a made-up version never matches
            if "Idempotency-Key" in headers:  # one key for two requests is refused
                headers["Idempotency-Key"] = f"key-{next(self._numbers)}"
        case.headers.update(headers)


def _is_wrong_in_nothing_sent(case: Case) -> bool:
    """An unknown parameter that is an empty list does not come to be in the URL."""
    is_wrong = case.meta is not None and case.meta.is_negative_at(ParameterLocation.QUERY)
    return is_wrong and any(value in ([], {}) for value in case.query.values())


def _aimed(value: Any, ids: Ids, name: str = "") -> Any:
    if isinstance(value, dict):
        aimed = {key: _aimed(item, ids, key) for key, item in value.items()}
        return {k: v for k, v in aimed.items() if v is not None or value[k] is None}
    if isinstance(value, list):
        return [_aimed(item, ids, name.removesuffix("s")) for item in value]
    made_up = isinstance(value, str) and _UUID.fullmatch(value)
    return ids.get(name, value) if made_up else value
