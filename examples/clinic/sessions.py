"""A plain dictionary, for Redis: what a signed-in person does, under the session's number."""

from __future__ import annotations

import json
from typing import Any, Protocol

from examples.clinic import encryptor
from fieldcrypt import ProtectedRecord, Protection

SESSIONS = ProtectedRecord(
    "sessions",
    encryptor,
    key="number",
    fields={"email": Protection(str, storage="text"), "form.ssn": Protection(str, storage="text")},
)


class Redis(Protocol):
    """What this needs of a Redis client."""

    def set(self, name: str, value: str, ex: int | None = None) -> Any: ...
    def get(self, name: str) -> Any: ...


def put(redis: Redis, session: dict[str, Any]) -> None:
    """Store a session for an hour."""
    redis.set(f"session:{session['number']}", json.dumps(SESSIONS.encrypt(session)), ex=3600)


def get(redis: Redis, number: str) -> dict[str, Any] | None:
    """Return a session, or None if there is none of this number."""
    stored = redis.get(f"session:{number}")
    if stored is None:
        return None
    record = json.loads(stored)
    record["number"] = number  # the one that was asked for, whatever the value says
    return SESSIONS.decrypt(record)
