"""What Pydantic finds wrong with a request, in our words and with pointers into what was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from backend.errors import MAX_FAULTS, FieldError, did_you_mean

# Pydantic writes the limits of a date that has a validator of its own as Python does.
_PYTHON_ENUM = re.compile(r"<\w+\.\w+: ('[^']*')>")
_PYTHON_DATE = re.compile(r"datetime\.date\((\d+), (\d+), (\d+)\)")
_QUOTED = re.compile(r"'([^']*)'")
# In place of Pydantic's words, which are about Python.
_OUR_WORDS = {
    "extra_forbidden": "There is no such field.",
    **dict.fromkeys(("list_type", "tuple_type"), "Must be a list."),
    **dict.fromkeys(("model_attributes_type", "model_type", "dict_type"), "Must be an object."),
}
_NO_JSON = "Must be a JSON object, sent with `Content-Type: application/json`."


def faults_in(error: RequestValidationError, body: type[BaseModel] | None) -> list[FieldError]:
    """`body` is what the body should be."""
    every = error.errors()
    found = _first_causes([_in_the_body(e, error.body) for e in every[:MAX_FAULTS]])
    faults = faults_of([_with_suggestion(e, body) for e in found])
    if len(every) > MAX_FAULTS:
        faults.append(FieldError("#", f"There are {len(every) - MAX_FAULTS} more faults."))
    return faults


def _in_the_body(error: dict[str, Any], body: Any) -> dict[str, Any]:  # noqa: ANN401
    """Pydantic also names which of several shapes it took; no JSON pointer leads through that."""
    source, *path = error["loc"]
    if source != "body" or error["type"] == "json_invalid" or not isinstance(body, dict | list):
        return error
    end = [path.pop()] if error["type"] == "missing" and path else []
    steps = _steps(body, path, to_the_end=True) or _steps(body, path, to_the_end=False) or []
    return error | {"loc": (source, *steps, *end)}


def _steps(there: Any, path: Sequence[str | int], *, to_the_end: bool) -> list[str | int] | None:  # noqa: ANN401
    """Those of `path` that lead on from `there`; None if the last is not among them and must be."""
    if not path:
        return []
    step, *rest = path
    is_member = isinstance(there, dict) and step in there
    is_element = isinstance(there, list) and isinstance(step, int) and step < len(there)
    if is_member or is_element:
        further = _steps(there[step], rest, to_the_end=to_the_end)
        if further is not None:
            return [step, *further]
    if to_the_end and (not rest or isinstance(step, int)):  # no shape is called by a number
        return None
    return _steps(there, rest, to_the_end=to_the_end)


def _first_causes(errors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without lists that are too short only because their elements are wrong."""
    places = [e["loc"] for e in errors]
    return [
        e
        for e in errors
        if e["type"] != "too_short"
        or not any(len(p) > len(e["loc"]) and p[: len(e["loc"])] == e["loc"] for p in places)
    ]


def _with_suggestion(error: dict[str, Any], body: type[BaseModel] | None) -> dict[str, Any]:
    source, *path = error["loc"]
    if error["type"] != "extra_forbidden" or source != "body" or not path or body is None:
        return error
    name, known = str(path[-1]), _fields_at(body, path[:-1])
    text = "There is no such field."
    if name in known:  # of another shape, as `or` beside `and`
        text = "It does not go with the other fields."
    elif known:
        text += f" {did_you_mean(name, known)}"
    return error | {"type": "unknown", "msg": text}


def _fields_at(body: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """What an object may have at `path`, in whichever of its shapes."""
    whole = _json_schema(body)
    found = [*_shapes(whole, whole)]
    for step in path:
        key = "items" if isinstance(step, int) else "properties"
        parts = [part for shape in found if (part := shape.get(key))]
        if isinstance(step, str):
            parts = [part[step] for part in parts if step in part]
        found = [shape for part in parts for shape in _shapes(part, whole)]
    return list(dict.fromkeys(name for shape in found for name in shape.get("properties", ())))


@lru_cache
def _json_schema(body: type[BaseModel]) -> dict[str, Any]:
    return body.model_json_schema()


def _shapes(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of a JSON schema that refers to others or leaves a choice."""
    if "$ref" in schema:
        yield from _shapes(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
        return
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
    for part in parts:
        yield from _shapes(part, whole)
    if not parts:
        yield schema


def faults_of(errors: Iterable[Mapping[str, Any]], *place: str | int) -> list[FieldError]:
    """What Pydantic found, in our words; `place` is where it looked, beginning with the source."""
    faults = (FieldError(_pointer((*place, *e["loc"]), e["type"]), _sentence(e)) for e in errors)
    return list(dict.fromkeys(faults))  # several dependencies may have read the same header


def _pointer(location: Sequence[str | int], kind: str) -> str:
    source, *path = location
    if source != "body":
        return ".".join(str(part) for part in path)
    if kind == "json_invalid":
        return "#"
    return "/".join(["#", *(str(p).replace("~", "~0").replace("/", "~1") for p in path)])


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"Not JSON at character {error['loc'][-1]}: {error['ctx']['error']}."
    if error["type"] == "model_attributes_type" and error["loc"] == ("body",):
        return _NO_JSON
    if error["type"] in _OUR_WORDS:
        return _OUR_WORDS[error["type"]]
    if error["type"] == "too_short":
        return f"Must have at least {error['ctx']['min_length']} of them."
    message = _PYTHON_DATE.sub(_iso_date, error["msg"].removeprefix("Value error, "))
    message = _PYTHON_ENUM.sub(r"\1", message)
    if error["type"] in {"enum", "literal_error"} and isinstance(error.get("input"), str):
        known = _QUOTED.findall(message)
        near = did_you_mean(error["input"][:100], known)
        message += f". {near}" if known and near.startswith("Did") else ""
    return message if message.endswith("?") else f"{message.rstrip('.')}."


def _iso_date(found: re.Match[str]) -> str:
    return date(*map(int, found.groups())).isoformat()
