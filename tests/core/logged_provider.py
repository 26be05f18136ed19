"""A key provider that notes in a file who unwrapped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import KeyProvider, LocalKeyProvider, WrappedKey


class LoggedProvider(KeyProvider):
    """A local key provider that can be pickled and notes in a file who unwrapped."""

    def __init__(self, key_file: str, log: str) -> None:
        self._arguments = key_file, log
        self._inner = LocalKeyProvider.from_file(key_file)

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        return self._inner.wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        with open(self._arguments[1], "a") as log:
            log.write(f"{os.getpid()}\n")
        return self._inner.unwrap(wraps, context)

    def wrapping_keys(self) -> Sequence[str]:
        return self._inner.wrapping_keys()

    def __reduce__(self) -> tuple[Any, ...]:
        return LoggedProvider, self._arguments
