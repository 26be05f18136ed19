"""Unwrapping many data keys at once, before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import TypeVar

from fieldcrypt import envelope
from fieldcrypt.keys.keyring import Keyring

__all__ = ["warm_up"]

T = TypeVar("T")
R = TypeVar("R")

_MAX_THREADS = 16


def warm_up(keyring: Keyring, tenants: Iterable[str | None], values: Iterable[bytes]) -> int:
    """Unwrap the data keys of tenants and of values, several at once; make none.

    Args:
        keyring: where they are to be live.
        tenants: all of whose data keys are wanted, the one that encrypts included.
        values: encrypted values whose data keys are wanted.

    Returns:
        How many data keys are live of those asked for.

    Raises:
        As `Field.decrypt` for the first key that fails, after all have been tried.
    """
    parsed = [envelope.parse(value) for value in values]
    wanted = dict.fromkeys((value.key_id, value.record) for value in parsed)
    listed: list[str | None] = list(dict.fromkeys(tenants)) if keyring.store is not None else []
    for records in _in_parallel(keyring.records, listed):
        wanted.update(dict.fromkeys((record.key_id, None) for record in records))
    _in_parallel(lambda key: keyring.for_decryption(*key), list(wanted))
    _in_parallel(keyring.lease_if_there_is_a_key, listed)
    return len(wanted)


def _in_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what work returns for each item; raise the first error when all is done."""
    from concurrent.futures import ThreadPoolExecutor  # a tenth of the time of `import fieldcrypt`

    if not items:
        return []
    with ThreadPoolExecutor(min(len(items), _MAX_THREADS), thread_name_prefix="fieldcrypt") as pool:
        futures = [pool.submit(copy_context().run, work, item) for item in items]
    return [future.result() for future in futures]
