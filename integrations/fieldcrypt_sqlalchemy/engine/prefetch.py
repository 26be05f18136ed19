"""Data keys fetched while an async statement executes, because its rows are read where nothing can be awaited."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_only

from fieldcrypt import DecryptionError, Encryptor, FieldcryptError
from fieldcrypt.spi import text_form
from fieldcrypt_sqlalchemy.internals.results import rows_at_hand
from fieldcrypt_sqlalchemy.offload import can_await

__all__ = ["Columns", "fetch_keys", "is_needed"]

_KEY_ID = slice(0, 17)  # version and key id, with which a value begins (SPEC section 4)
_FRESH_FOR = 30.0  # seconds after which a key is looked up again; in use, it is refreshed long before it ends
_MAX_FRESH = 10_000  # keys remembered of one Encryptor

# Until when, on the monotonic and on the wall clock: a machine that slept knows by the latter that its keys have ended.
_fresh: WeakKeyDictionary[Encryptor, dict[bytes, tuple[float, float]]] = WeakKeyDictionary()
_NEVER = 0.0, 0.0


Columns = Sequence[tuple[int, Any]]  # where encrypted columns are in a row, and their types


def is_needed(dialect: Dialect) -> bool:
    """Return True if rows are read where nothing can be awaited."""
    return dialect.is_async and can_await()


def fetch_keys(cursor: Any, columns: Columns) -> None:
    """Fetch the data keys of the values in rows that a cursor has fetched already.

    Args:
        cursor: that has executed a statement.
        columns: the encrypted ones of its rows.
    """
    rows = rows_at_hand(cursor)
    if rows:
        for encryptor, values in _missing(columns, rows).items():
            if not encryptor.provider.by_tenant:  # else only who reads knows for whom
                _fetch(encryptor, values)


def _missing(columns: Columns, rows: Any) -> dict[Encryptor, dict[bytes, bytes]]:
    """Return a value for each data key that was not looked up recently."""
    now, wall = time.monotonic(), time.time()
    missing: dict[Encryptor, dict[bytes, bytes]] = {}
    for at, type_ in columns:
        encryptor = type_.encryptor
        fresh = _fresh.setdefault(encryptor, {})
        stored = (row[at] if type_.text is None else _of_text(row[at]) for row in rows)
        values = {value[_KEY_ID]: value for value in stored if isinstance(value, bytes)}
        untils = {key: fresh.get(key, _NEVER) for key in values}
        stale = {key: values[key] for key, (until, by_wall) in untils.items() if until <= now or by_wall <= wall}
        if stale:
            missing.setdefault(encryptor, {}).update(stale)
    return missing


def _of_text(stored: Any) -> bytes | None:
    """Return the value of a text column, or of the text that a driver has of a JSON column; None if it holds none."""
    if isinstance(stored, str):
        with suppress(DecryptionError):
            return text_form.decode(stored.strip('"'))
    return None


def _fetch(encryptor: Encryptor, values: dict[bytes, bytes]) -> None:
    fresh = _fresh[encryptor]
    if len(fresh) > _MAX_FRESH:
        fresh.clear()
    try:
        await_only(encryptor.warm_up_async(values=values.values()))
    except FieldcryptError:
        return  # reading the value raises it
    seconds = min(_FRESH_FOR, encryptor.policy.cache_ttl.total_seconds() / 10)
    fresh.update(dict.fromkeys(values, (time.monotonic() + seconds, time.time() + seconds)))
