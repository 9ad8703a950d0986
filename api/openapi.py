"""Print the OpenAPI document: `python -m api.openapi`."""

from __future__ import annotations

import json
import sys

from api.app import create_app


def document() -> str:
    return json.dumps(create_app().openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
