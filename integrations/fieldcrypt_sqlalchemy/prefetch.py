"""Data keys fetched while an async statement executes, because its rows are read where nothing can be awaited."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import await_only

from fieldcrypt import Encryptor, FieldcryptError
from fieldcrypt_sqlalchemy.offload import can_await
from fieldcrypt_sqlalchemy.types import Encrypted

__all__: list[str] = []

_PROTECTED = "fieldcrypt_protected"  # noted on what SQLAlchemy compiled: where protected columns are in a row
_KEY_ID = slice(0, 17)  # version and key id, with which a value begins (SPEC section 4)
_FRESH_FOR = 30.0  # seconds after which a key is looked up again; in use, it is refreshed long before it ends
_MAX_FRESH = 10_000  # keys remembered of one Encryptor

_fresh: WeakKeyDictionary[Encryptor, dict[bytes, float]] = WeakKeyDictionary()


@event.listens_for(Engine, "after_cursor_execute")
def _fetch_keys(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if not connection.dialect.is_async or context.compiled is None or not can_await():
        return
    compiled = context.compiled.__dict__
    if _PROTECTED not in compiled:
        columns = enumerate(compiled.get("_result_columns") or ())
        compiled[_PROTECTED] = [(at, column.type) for at, column in columns if isinstance(column.type, Encrypted)]
    rows = getattr(cursor, "_rows", None)  # fetched already, unless the cursor is on the server's side
    if compiled[_PROTECTED] and rows:
        for encryptor, values in _missing(compiled[_PROTECTED], rows).items():
            _fetch(encryptor, values)


def _missing(columns: list[tuple[int, Any]], rows: Any) -> dict[Encryptor, dict[bytes, bytes]]:
    """Return a value for each data key that was not looked up lately."""
    now = time.monotonic()
    missing: dict[Encryptor, dict[bytes, bytes]] = {}
    for at, type_ in columns:
        encryptor = type_.encryptor
        fresh = _fresh.setdefault(encryptor, {})
        values = {row[at][_KEY_ID]: row[at] for row in rows if isinstance(row[at], bytes)}
        found = {key: value for key, value in values.items() if fresh.get(key, 0.0) <= now}
        if found:
            missing.setdefault(encryptor, {}).update(found)
    return missing


def _fetch(encryptor: Encryptor, values: dict[bytes, bytes]) -> None:
    fresh = _fresh[encryptor]
    if len(fresh) > _MAX_FRESH:
        fresh.clear()
    try:
        await_only(encryptor.warm_up_async(values=values.values()))
    except FieldcryptError:
        return  # whoever reads the value is told
    until = time.monotonic() + min(_FRESH_FOR, encryptor.policy.cache_ttl.total_seconds() / 10)
    fresh.update(dict.fromkeys(values, until))
