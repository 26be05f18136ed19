"""A scheme that protects nothing, for tests of what reads other schemes."""

from __future__ import annotations

from collections.abc import Mapping

from fieldcrypt import DecryptionError


class Rot13:
    """A scheme whose values are marked as its own, and may be damaged."""

    def recognises(self, data: bytes | str, /) -> bool:
        return bytes(data, "utf8").startswith(b"rot:") if isinstance(data, str) else data.startswith(b"rot:")

    def read(self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> str:
        assert tenant is None or isinstance(tenant, str)
        text = data if isinstance(data, str) else data.decode()
        if text.endswith("!"):
            raise DecryptionError
        return text[:3:-1]
