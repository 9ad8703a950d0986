"""The secrets of one instance, made once and kept in ``$OUTLAY_HOME/secrets.json``."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, SecretStr


class Secrets(BaseModel):
    """Secrets of one instance; each can be set from the environment instead."""

    jwt: SecretStr
    superuser_password: SecretStr
    owner_password: SecretStr
    app_password: SecretStr
    extract_password: SecretStr
    dagster_password: SecretStr

    @classmethod
    def load_or_create(cls, path: Path, given: dict[str, SecretStr]) -> Self:
        """Read `path`, adding what is missing; `given` values win and are never written down."""
        stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        missing = [name for name in cls.model_fields if name not in stored and name not in given]
        if missing:
            stored |= {name: secrets.token_urlsafe(32) for name in missing}
            stored = _write_private(path, stored)
        return cls.model_validate({**stored, **given})

    @classmethod
    def signing_keys(cls, path: Path) -> dict[str, str]:
        """What of `path` makes tokens and links valid; passwords belong to one database alone."""
        stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return {name: value for name, value in stored.items() if not name.endswith("_password")}

    @classmethod
    def put_signing_keys(cls, path: Path, keys: dict[str, str]) -> None:
        """In place of those in `path`, which need not be there."""
        stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        _write_private(path, stored | keys)


def _write_private(path: Path, values: dict[str, str]) -> dict[str, str]:
    """Create or replace `path` with mode 0600; two processes racing agree on one content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file, indent=2)
    if path.exists():
        temporary.replace(path)
        return values
    try:
        path.hardlink_to(temporary)  # fails when another process was first
    except FileExistsError:
        values = values | json.loads(path.read_text())
    temporary.unlink()
    return values
