"""Values that must not be sent unencrypted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldcrypt.testing.watch.forms import Plain, distinctive, forms, names, unescaped, unwrapped

__all__ = ["Secrets"]

_BETWEEN = b"\0\xff\0\xff\0"  # texts that are searched together
_RANDOM = 32  # characters of base64 that are only looked at decoded: in so many there may be any letters


class Secrets:
    """Values that must not be sent unencrypted, and what they consist of.

    A secret of some length must not be part of anything that is sent. A shorter one, a number or a truth value must not
    be the whole of a value; 7 in a longer text proves nothing.
    """

    def __init__(self) -> None:
        self._secrets: dict[tuple[type, Plain], None] = {}  # by type too: 1 == True
        self._names: dict[str, None] = {}  # in documents
        self._allowed: set[tuple[type, Plain]] = set()

    def __len__(self) -> int:
        return len(self._secrets)

    def add(self, value: Any) -> None:
        """Keep a value secret, however short it is.

        Raises:
            TypeError: no field has values of its type.
        """
        self._secrets.update(((type(form), form), None) for form in forms(value))
        self._names.update((name, None) for name in names(value))

    def add_distinctive(self, value: Any) -> None:
        """Keep of a value secret what is long enough to be recognised wherever it is."""
        self._secrets.update(((type(form), form), None) for form in forms(value) if distinctive(form))
        self._names.update((name, None) for name in names(value))

    def allow(self, value: Any) -> None:
        """Let a value be sent though it is secret elsewhere."""
        self._allowed.update((type(form), form) for form in forms(value))

    def among(self, found: Iterable[Plain]) -> set[Plain]:
        """Return the secrets that are in something that was sent."""
        whole: set[tuple[type, Plain]] = set()
        texts: list[bytes] = []
        for each in found:
            variants = list(unwrapped(each))
            whole.update((type(form), form) for form in variants)
            texts += unescaped(_bytes(each)) if isinstance(each, str | bytes) else ()
            if len(variants) > 1 and isinstance(each, str) and len(each) >= _RANDOM:
                del variants[0]
            texts += [_bytes(form) for form in variants if isinstance(form, str | bytes)]
        haystack = _BETWEEN.join(texts)
        secrets = {secret for secret in self._secrets.keys() - self._allowed if secret in whole}
        parts = (self._secrets | {(str, name): None for name in self._names}).keys() - self._allowed
        secrets |= {secret for secret in parts if (part := distinctive(secret[1])) and part in haystack}
        return {secret for _, secret in secrets}


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
