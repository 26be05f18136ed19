"""Secrets as logs and messages would show them."""

from __future__ import annotations

import base64


def spellings(secret: bytes) -> list[str]:
    """The ways in which a program may print bytes by accident."""
    return [
        secret.hex(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
        repr(secret)[2:-1],
        repr(list(secret))[1:-1],
    ]
