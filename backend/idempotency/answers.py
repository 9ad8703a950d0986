"""An answer as it is kept for its repetition: sealed, for some show a secret that is shown once."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from backend.errors import Conflict

_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def seal(answer: Answer, secret: SecretStr) -> bytes:
    head = json.dumps([answer.status, list(answer.headers)]).encode()
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(secret).encrypt(nonce, head + b"\n" + answer.body, None)


def unseal(sealed: bytes, secret: SecretStr) -> Answer:
    """`Conflict` when the secret has changed: the request was done, its answer is lost."""
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        head, _, body = _cipher(secret).decrypt(nonce, content, None).partition(b"\n")
    except InvalidTag:
        raise Conflict("This request was done, but its answer can no longer be read.") from None
    status, headers = json.loads(head)
    return Answer(status, [(name, value) for name, value in headers], body)


def _cipher(secret: SecretStr) -> AESGCM:
    return AESGCM(hmac.digest(secret.get_secret_value().encode(), b"kept answers", "sha256"))
